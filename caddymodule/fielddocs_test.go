package caddymodule

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// Caddy's site shows the comment at each field of a module, so that it has to say
// what the field means, and what holds where it is left out.
func TestEveryFieldOfTheConfigurationIsDocumented(t *testing.T) {
	docs := map[string]string{} // by type, and by type and field
	for _, folder := range []string{".", "../webhook"} {
		readDocs(t, folder, docs)
	}
	leftOut := regexp.MustCompile(`[Dd]efault|Required|Empty|The adapter sets it`)
	for _, module := range []any{VerifyWebhook{}, App{}, Transport{}} {
		for config := range configTypes(reflect.TypeOf(module), map[reflect.Type]bool{}) {
			if docs[config.Name()] == "" {
				t.Errorf("%s has no comment", config)
			}
			for field := range config.Fields() {
				if field.Tag.Get("json") == "" {
					continue
				}
				switch doc := docs[config.Name()+"."+field.Name]; {
				case doc == "":
					t.Errorf("%s.%s has no comment of its own", config, field.Name)
				case !leftOut.MatchString(doc):
					t.Errorf("%s.%s: the comment does not say what holds by default, or that it is required:\n%s", config, field.Name, doc)
				}
			}
		}
	}
}

func readDocs(t *testing.T, folder string, docs map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in %s, %v", len(files), folder, err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			declared, is := n.(*ast.GenDecl)
			if !is || declared.Tok != token.TYPE {
				return true
			}
			for _, spec := range declared.Specs {
				named := spec.(*ast.TypeSpec)
				docs[named.Name.Name] = declared.Doc.Text() + named.Doc.Text()
				if body, is := named.Type.(*ast.StructType); is {
					for _, field := range body.Fields.List {
						for _, name := range field.Names {
							docs[named.Name.Name+"."+name.Name] = field.Doc.Text()
						}
					}
				}
			}
			return false
		})
	}
}

// configTypes are the structs of ours that JSON is read into.
func configTypes(of reflect.Type, found map[reflect.Type]bool) map[reflect.Type]bool {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return configTypes(of.Elem(), found)
	case reflect.Struct:
		if found[of] || !strings.HasPrefix(of.PkgPath(), "github.com/hookpass/hookpass/") {
			return found
		}
		found[of] = true
		for field := range of.Fields() {
			if field.Tag.Get("json") != "" {
				configTypes(field.Type, found)
			}
		}
	}
	return found
}
