// Package deploy tests the files that users deploy hookpass with.
package deploy

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// files is the folder that images are built of: the binary as it is released and
// its bill of materials.
var files string

// images is where the tests that do not write to the image share it.
var (
	images string
	shared sync.Once
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "hookpass-image-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(folder) }()
		if err := fill(folder, ".."); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		files, images = folder, filepath.Join(folder, "images")
		return m.Run()
	}())
}

// fill builds the binary in a copy of the repository.
func fill(folder, repository string) error {
	binary := binaryOf(folder)
	build := exec.Command("bash", filepath.Join(repository, "deploy", "build"), "linux", runtime.GOARCH, binary)
	// A change that is not committed shows in the version, and in it alone.
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "PGO=off")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", build, err, out)
	}
	sbom := exec.Command("go", "run", "./cmd/sbom", binary, billOf(folder))
	sbom.Dir = repository
	if out, err := sbom.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", sbom, err, out)
	}
	return nil
}

func binaryOf(folder string) string {
	return filepath.Join(folder, "linux", runtime.GOARCH, "hookpass")
}

func billOf(folder string) string {
	return filepath.Join(folder, "dist", "sbom", "linux", runtime.GOARCH, "hookpass.cdx.json")
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// store is where images are kept. It takes root, and no engine.
type store struct {
	t      *testing.T
	folder string
}

func newStore(t *testing.T, folder string) store {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can build and run images here")
	}
	return store{t, folder}
}

// image is the one that Docker would build.
func image(t *testing.T) (s store, name string) {
	t.Helper()
	s = newStore(t, images)
	shared.Do(func() { s.build("docker", files) })
	return s, tag("docker", files)
}

func tag(format, folder string) string { return fmt.Sprintf("%s-%x", format, folder) }

func (s store) buildah(args ...string) string {
	s.t.Helper()
	return run(s.t, "buildah", append([]string{
		"--root", filepath.Join(s.folder, "root"), "--runroot", filepath.Join(s.folder, "run"), "--storage-driver", "vfs",
	}, args...)...)
}

// build makes an image of the Dockerfile and a folder, in one of the two
// formats: that of OCI has no health check, and that of Docker is never the
// same twice, since buildah writes into it which container it came from.
func (s store) build(format, folder string) string {
	s.t.Helper()
	name := tag(format, folder)
	s.buildah("build", "--quiet", "--isolation", "chroot", "--no-cache", "--timestamp", "0", "--format", format,
		"--platform", "linux/"+runtime.GOARCH, "--build-arg", "BINARY=prebuilt", "--file", "../Dockerfile", "--tag", name, folder)
	return name
}

// unpack returns the folder with the files of an image.
func (s store) unpack(image string) string {
	s.t.Helper()
	return s.buildah("mount", s.buildah("from", "--pull-never", image))
}

// An image that is built again, elsewhere, is the same one.
func TestImageIsReproducible(t *testing.T) {
	s := newStore(t, t.TempDir())
	// A link to the repository is another place to build it in.
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	repository, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(repository, elsewhere); err != nil {
		t.Fatal(err)
	}
	again := t.TempDir()
	if err := fill(again, elsewhere); err != nil {
		t.Fatal(err)
	}

	digest := func(folder string) string {
		layout := t.TempDir()
		s.buildah("push", "--quiet", s.build("oci", folder), "oci:"+layout+":latest")
		var index struct {
			Manifests []struct{ Digest string }
		}
		read(t, filepath.Join(layout, "index.json"), &index)
		if len(index.Manifests) != 1 {
			t.Fatalf("%d manifests", len(index.Manifests))
		}
		return index.Manifests[0].Digest
	}
	first, second := digest(files), digest(again)
	if first != second {
		t.Errorf("%s and %s are not the same", first, second)
	}
}

func read(t *testing.T, path string, value any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, value); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// imageConfig is what an image says about how to run it.
type imageConfig struct {
	User         string
	Env          []string
	Entrypoint   []string
	Cmd          []string
	WorkingDir   string
	Labels       map[string]string
	ExposedPorts map[string]struct{}
	Volumes      map[string]struct{}
	Healthcheck  struct{ Test []string }
}

func (s store) config(image string) imageConfig {
	s.t.Helper()
	var inspected struct {
		Docker struct{ Config imageConfig }
	}
	if err := json.Unmarshal([]byte(s.buildah("inspect", "--type", "image", image)), &inspected); err != nil {
		s.t.Fatal(err)
	}
	return inspected.Docker.Config
}

// The image is a static binary and its bill of materials, to be run by nobody
// in particular.
func TestImage(t *testing.T) {
	s, image := image(t)

	config := s.config(image)
	for what, pair := range map[string][2]string{
		"user":         {config.User, "65532:65532"},
		"entry point":  {strings.Join(config.Entrypoint, " "), "/hookpass"},
		"command":      {strings.Join(config.Cmd, " "), "sidecar"},
		"health check": {strings.Join(config.Healthcheck.Test, " "), "CMD /hookpass health"},
		"licence":      {config.Labels["org.opencontainers.image.licenses"], "Apache-2.0"},
		"ports":        {names(config.ExposedPorts), "8080/tcp 8081/tcp"},
		"volumes":      {names(config.Volumes), "/data"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, not %q", what, pair[0], pair[1])
		}
	}

	root := s.unpack(image)
	got := run(t, "find", root, "-mindepth", "1", "-printf", "%M %U:%G %P\n")
	want := "-rwxr-xr-x 0:0 hookpass\n-rw-r--r-- 0:0 hookpass.cdx.json\ndrwxr-xr-x 65532:65532 data"
	if lines := strings.Split(got, "\n"); !slices.Equal(sorted(lines), sorted(strings.Split(want, "\n"))) {
		t.Errorf("it holds\n%s\nnot\n%s", got, want)
	}

	binary, err := elf.Open(filepath.Join(root, "hookpass"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = binary.Close() })
	for _, part := range binary.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: %v", part.Type)
		}
	}
	if binary.Section(".symtab") != nil || binary.Section(".debug_info") != nil {
		t.Error("the binary is not stripped")
	}

	layout := t.TempDir()
	s.buildah("push", "--quiet", image, "dir:"+layout)
	var size int64
	blobs, err := os.ReadDir(layout)
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range blobs {
		info, err := blob.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size < 1e6 || size > 50e6 {
		t.Errorf("%.1f MB have to be pulled", float64(size)/1e6)
	}
}

func names(set map[string]struct{}) string {
	var all []string
	for name := range set {
		all = append(all, name)
	}
	return strings.Join(sorted(all), " ")
}

func sorted(all []string) []string {
	slices.Sort(all)
	return all
}
