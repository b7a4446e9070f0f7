// Command sbom writes down what a Go binary is made of, as a CycloneDX bill of
// materials in JSON: the modules that the linker wrote into it, whatever its
// platform, and nothing that differs between two runs.
//
//	go run ./cmd/sbom BINARY OUTPUT
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
)

// bom is a document of https://cyclonedx.org/docs/1.6/json/.
type bom struct {
	Format        string       `json:"bomFormat"`
	Specification string       `json:"specVersion"`
	Version       int          `json:"version"`
	Metadata      metadata     `json:"metadata"`
	Components    []component  `json:"components"`
	Dependencies  []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Reference  string     `json:"bom-ref"`
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Reference string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./cmd/sbom BINARY OUTPUT")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func write(binary, output string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(describe(info), "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o750); err != nil { //nolint:gosec // whoever runs it names the place
		return err
	}
	return os.WriteFile(output, append(text, '\n'), 0o644) //nolint:gosec // it is for everybody
}

func describe(info *debug.BuildInfo) bom {
	main := module("application", &info.Main)
	for _, s := range info.Settings {
		main.Properties = append(main.Properties, property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	b := bom{
		Format: "CycloneDX", Specification: "1.6", Version: 1,
		Metadata:     metadata{Component: main},
		Dependencies: []dependency{{Reference: main.Reference}},
	}
	// The standard library has vulnerabilities of its own.
	parts := append([]*debug.Module{{Path: "stdlib", Version: info.GoVersion}}, info.Deps...)
	for _, part := range parts {
		c := module("library", part)
		b.Components = append(b.Components, c)
		b.Dependencies[0].DependsOn = append(b.Dependencies[0].DependsOn, c.Reference)
	}
	return b
}

func module(kind string, m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	purl := "pkg:golang/" + m.Path + "@" + url.QueryEscape(m.Version)
	return component{Reference: purl, Type: kind, Name: m.Path, Version: m.Version, PURL: purl}
}
