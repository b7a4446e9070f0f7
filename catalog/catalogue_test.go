package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryNameMeansOneProvider(t *testing.T) {
	holder := map[string]string{}
	for _, id := range IDs() {
		p, err := Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append([]string{id}, p.Aliases...) {
			if other, taken := holder[name]; taken {
				t.Errorf("%s is the name of %s and of %s", name, other, id)
			}
			holder[name] = id
			if found, err := Lookup(name); err != nil || found.ID != id {
				t.Errorf("%s: found %+v, %v; want %s (write the aliases as one line: aliases: [x, y])", name, found, err, id)
			}
			if _, unsigned := UnsignedProviders()[name]; unsigned {
				t.Errorf("%s has a file, and unsigned.yaml says that it signs nothing", name)
			}
		}
	}
}

func TestRenamedProviderIsFoundUnderBothNames(t *testing.T) {
	for alias, id := range map[string]string{"x": "twitter", "maxio": "chargify"} {
		if p, err := Lookup(alias); err != nil || p.ID != id {
			t.Errorf("%s: found %+v, %v", alias, p, err)
		}
	}
}

func TestUnsignedProvidersAreExplained(t *testing.T) {
	for name, u := range UnsignedProviders() {
		if !validID.MatchString(name) || u.Name == "" || !strings.HasPrefix(u.Docs, "https://") || u.Why == "" || u.Instead == "" {
			t.Errorf("%s: incomplete: %+v", name, u)
		}
		_, err := Lookup(name)
		if !errors.Is(err, ErrUnsigned) || !strings.Contains(err.Error(), u.Why) || !strings.Contains(err.Error(), u.Instead) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Lookup("docker-hub"); !errors.Is(err, ErrUnsigned) {
		t.Errorf("docker-hub: %v", err)
	}
}

// folderOf writes provider files into a directory of their own.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOwnProvidersStandBesideTheBuiltIn(t *testing.T) {
	c, err := Open(folderOf(t, map[string]string{
		"acme.yaml":       usable + "aliases: [acme-corp]\n",
		"docker-hub.yaml": usable, // whoever puts a signing relay before it may name it so
		".acme.yaml":      "left behind by an editor",
		"README.md":       "about these files",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"acme": "acme", "acme-corp": "acme", "docker-hub": "docker-hub", "stripe": "stripe"} {
		if p, err := c.Lookup(name); err != nil || p.ID != want {
			t.Errorf("%s: found %+v, %v", name, p, err)
		}
	}
	for word, near := range map[string]string{"acmee": "acme", "acme-cor": "acme-corp", "strip": "stripe"} {
		if _, err := c.Lookup(word); !errors.Is(err, ErrUnknownProvider) || !strings.Contains(err.Error(), `"`+near+`"`) {
			t.Errorf("%s: %v does not offer %s", word, err, near)
		}
	}
	if _, err := Lookup("acme"); !errors.Is(err, ErrUnknownProvider) {
		t.Errorf("it is built in now: %v", err)
	}
}

func TestUnusableFolders(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		says  []string // DIR stands for the folder
	}{
		{"broken file", map[string]string{"acme.yaml": usable + "colour: red\n"}, []string{"DIR/acme.yaml: line 11: field colour"}},
		{"built-in id", map[string]string{"stripe.yaml": usable}, []string{"DIR/stripe.yaml: the name stripe", "providers/stripe.yaml"}},
		{"alias that is a built-in id", map[string]string{"acme.yaml": usable + "aliases: [stripe]\n"}, []string{"DIR/acme.yaml: the name stripe", "providers/stripe.yaml"}},
		{"alias that is another file", map[string]string{"acme.yaml": usable, "zeta.yaml": usable + "aliases: [acme]\n"}, []string{"DIR/zeta.yaml: the name acme", "belongs to DIR/acme.yaml"}},
		{"alias that is another alias", map[string]string{"acme.yaml": usable + "aliases: [corp]\n", "zeta.yaml": usable + "aliases: [corp]\n"}, []string{"DIR/zeta.yaml: the name corp", "belongs to DIR/acme.yaml"}},
		{"other ending", map[string]string{"acme.yml": usable}, []string{"DIR/acme.yml: its name must end in .yaml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folderOf(t, tt.files)
			_, err := Open(dir)
			if !errors.Is(err, ErrProviderFile) {
				t.Fatal(err)
			}
			for _, says := range tt.says {
				if says = strings.ReplaceAll(says, "DIR", dir); !strings.Contains(err.Error(), says) {
					t.Errorf("%v does not say %q", err, says)
				}
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such folder: %v", err)
	}
	if _, err := Open(folderOf(t, nil)); err != nil {
		t.Errorf("empty folder: %v", err)
	}
}

// What a start costs, by the providers that its configuration names.
func BenchmarkLookup(b *testing.B) {
	ids := IDs()
	aliases() // an alias is a rare thing to ask for, and read once
	for name, names := range map[string][]string{"one": {"stripe"}, "all": ids} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				for _, id := range names {
					if _, err := Lookup(id); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(len(names)), "files/op")
		})
	}
}

// All of a start that grows with the number of files, beside the files parsed.
func BenchmarkAliases(b *testing.B) {
	for b.Loop() {
		if ids := readAliases(); len(ids) > len(IDs())*10 {
			b.Fatal(ids)
		}
	}
}

func TestIDsAreSorted(t *testing.T) {
	if ids := IDs(); !slices.IsSorted(ids) {
		t.Errorf("not in order: %v", ids)
	}
}
