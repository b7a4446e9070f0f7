package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const variable = "MUTANT"

// helpers is the file that the package under test gets besides.
const helpers = `
import (
	"cmp"
	"os"
	"strconv"
)

var mutant = func() int {
	n, _ := strconv.Atoi(os.Getenv("` + variable + `"))
	return n
}()

type mutantNumber interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr | ~float32 | ~float64
}

func mutantNil(id int, err error) error {
	if mutant == id {
		return nil
	}
	return err
}

func mutantZero[T any](id int, v T) T {
	if mutant == id {
		return *new(T)
	}
	return v
}

func mutantLess[T cmp.Ordered](id int, a, b T) bool         { return a < b || mutant == id && a == b }
func mutantLessEqual[T cmp.Ordered](id int, a, b T) bool    { return a < b || mutant != id && a == b }
func mutantGreater[T cmp.Ordered](id int, a, b T) bool      { return a > b || mutant == id && a == b }
func mutantGreaterEqual[T cmp.Ordered](id int, a, b T) bool { return a > b || mutant != id && a == b }

func mutantAdd[T mutantNumber](id int, a, b T) T {
	if mutant == id {
		return a - b
	}
	return a + b
}

func mutantSubtract[T mutantNumber](id int, a, b T) T {
	if mutant == id {
		return a + b
	}
	return a - b
}
`

// A target is a package, some files of which are mutated.
type target struct {
	dir     string
	name    string
	files   map[string]string // the mutated ones, by absolute path
	mutants []mutant
}

// A listed package is what "go list" says of one.
type listed struct {
	Dir, Name, ImportPath, Export string
	GoFiles, CgoFiles             []string
}

func load(ctx context.Context, names []string) (*target, error) {
	dir := filepath.Dir(names[0])
	var mutate []string
	for _, name := range names {
		if filepath.Dir(name) != dir {
			return nil, fmt.Errorf("%s and %s are of different packages: run mutate for each", names[0], name)
		}
		mutate = append(mutate, filepath.Base(name))
	}
	packages, err := list(ctx, "./"+dir)
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	self := packages[len(packages)-1] // dependencies come first

	fset := token.NewFileSet()
	var files []*ast.File
	sources := make(map[string]string)
	for _, name := range self.GoFiles {
		source, err := os.ReadFile(filepath.Join(self.Dir, name))
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(fset, name, source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		sources[name] = string(source)
	}
	for _, name := range mutate {
		if _, is := sources[name]; !is {
			return nil, fmt.Errorf("%s is no file that %s is built of", name, self.ImportPath)
		}
	}
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object)}
	checker := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	if _, err := checker.Check(self.ImportPath, fset, files, info); err != nil {
		return nil, err
	}

	t := &target{dir: self.Dir, name: self.Name, files: make(map[string]string)}
	next := 0
	for i, name := range self.GoFiles {
		if !slices.Contains(mutate, name) {
			continue
		}
		f := &finder{
			path: filepath.ToSlash(filepath.Join(dir, name)), source: sources[name], fset: fset, info: info,
			next: &next, handled: make(map[ast.Expr]bool), sameBefore: make(map[string]int),
		}
		f.file(files[i])
		t.files[filepath.Join(self.Dir, name)] = f.mutated()
		t.mutants = append(t.mutants, f.mutants...)
	}
	return t, nil
}

func list(ctx context.Context, pattern string) ([]listed, error) {
	output, err := command(ctx, "go", "list", "-export", "-deps", "-json=Dir,Name,ImportPath,Export,GoFiles", pattern).Output()
	if err != nil {
		return nil, explained(err)
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// A binary runs some tests of a package.
type binary struct {
	path, dir string
	args      []string
	limit     time.Duration // past which a mutant has made it hang
}

// build compiles the tests, and sees that they pass while nothing is changed.
func (t *target) build(ctx context.Context, temporary string, judges []string, first, judging string) ([]binary, error) {
	replace := make(map[string]string)
	add := func(path, content string) error {
		replace[path] = filepath.Join(temporary, filepath.Base(path))
		return os.WriteFile(replace[path], []byte(content), 0o600)
	}
	for path, content := range t.files {
		if err := add(path, content); err != nil {
			return nil, err
		}
	}
	if err := add(filepath.Join(t.dir, "mutant_helpers.go"), "package "+t.name+"\n"+helpers); err != nil {
		return nil, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	overlayPath := filepath.Join(temporary, "overlay.json")
	if err := os.WriteFile(overlayPath, overlay, 0o600); err != nil {
		return nil, err
	}

	var binaries []binary
	for i, judge := range judges {
		b := binary{path: filepath.Join(temporary, strconv.Itoa(i)+".test"), limit: time.Hour}
		if output, err := command(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlayPath, "-o", b.path, judge).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", judge, err, output)
		}
		dir, err := command(ctx, "go", "list", "-f", "{{.Dir}}", judge).Output()
		if err != nil {
			return nil, explained(err)
		}
		b.dir = strings.TrimSpace(string(dir))
		runs := []string{judging}
		if first != "" {
			runs = []string{first, judging}
		}
		for _, tests := range runs {
			b.args = []string{"-test.failfast", "-test.run=" + tests}
			started := time.Now()
			output, err := b.run(ctx, 0)
			if err != nil {
				return nil, fmt.Errorf("%s fails without a mutant: %w\n%s", judge, err, output)
			}
			timed := b
			timed.limit = 20*time.Second + 5*time.Since(started)
			binaries = append(binaries, timed)
		}
	}
	return binaries, nil
}

// run runs the tests with a mutant in them. What they say is of use to people alone.
func (b binary) run(ctx context.Context, id int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	// A mutant may not only hang, but also take memory without end.
	run := command(ctx, "sh", append([]string{"-c", `ulimit -v 12000000; exec "$0" "$@"`, b.path}, b.args...)...)
	run.Dir = b.dir
	run.Env = append(os.Environ(), variable+"="+strconv.Itoa(id))
	return run.CombinedOutput()
}

// try returns the mutants that all the binaries pass with.
func try(ctx context.Context, binaries []binary, mutants []mutant, workers int) ([]mutant, error) {
	queue := make(chan mutant)
	var (
		wait      sync.WaitGroup
		lock      sync.Mutex
		survivors []mutant
	)
	for range workers {
		wait.Go(func() {
			for m := range queue {
				if killed(ctx, binaries, m) {
					continue
				}
				lock.Lock()
				survivors = append(survivors, m)
				lock.Unlock()
			}
		})
	}
	for _, m := range mutants {
		queue <- m
	}
	close(queue)
	wait.Wait()
	slices.SortFunc(survivors, func(a, b mutant) int { return a.id - b.id })
	return survivors, ctx.Err()
}

func killed(ctx context.Context, binaries []binary, m mutant) bool {
	for _, b := range binaries {
		if _, err := b.run(ctx, m.id); err != nil {
			return true
		}
	}
	return false
}

// command gives up soon on what a killed process has left behind.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...) //nolint:gosec // G204: the tests that it was asked to run
	c.WaitDelay = time.Second
	return c
}

func explained(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return err
}
