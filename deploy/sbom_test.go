package deploy

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The bill of materials holds to the schema of CycloneDX, and lists what the
// linker put into the binary.
func TestBillOfMaterials(t *testing.T) {
	file, err := os.Open(billOf(files))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	document, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := schemaOfCycloneDX(t).Validate(document); err != nil {
		t.Error(err)
	}

	var bom cyclonedx.BOM
	if _, err := file.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	if err := cyclonedx.NewBOMDecoder(file, cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(binaryOf(files))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"stdlib " + info.GoVersion}
	for _, module := range info.Deps {
		want = append(want, module.Path+" "+module.Version)
	}
	var got []string
	for _, part := range *bom.Components {
		got = append(got, part.Name+" "+part.Version)
	}
	if !slices.Equal(got, want) || len(got) < 50 {
		t.Errorf("it lists %q, not %q", got, want)
	}
	if c := bom.Metadata.Component; c.Name != info.Main.Path || c.Version != info.Main.Version {
		t.Errorf("it is the bill of %s %s", c.Name, c.Version)
	}
}

// The library ships the schema.
func schemaOfCycloneDX(t *testing.T) *jsonschema.Schema {
	t.Helper()
	folder := filepath.Join(run(t, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go"), "schema")
	compiler := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json":  "bom-1.6.schema.json",
		"spdx.schema.json":     "spdx.schema.json",
		"jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		text, err := os.Open(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(text)
		_ = text.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(fmt.Sprintf("http://cyclonedx.org/schema/%s", name), document); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
