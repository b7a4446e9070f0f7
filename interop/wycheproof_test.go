package interop

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/webhook"
)

// wycheproof is a module of nothing but vectors: signatures of every kind, made
// wrong in every way that has once fooled an implementation.
const wycheproof = "github.com/google/wycheproof@v0.0.0-20191219022705-2196000605e4"

// vectorFile is one of its files.
type vectorFile struct {
	TestGroups []struct {
		Key     string `json:"keyPem"`
		TagSize int    `json:"tagSize"` // of a MAC, in bits
		Tests   []struct {
			ID      int      `json:"tcId"`
			Comment string   `json:"comment"`
			Key     string   `json:"key"`
			Msg     string   `json:"msg"`
			Sig     string   `json:"sig"`
			Tag     string   `json:"tag"`
			Result  string   `json:"result"` // valid, invalid, or acceptable: an implementation may do either
			Flags   []string `json:"flags"`
		} `json:"tests"`
	} `json:"testGroups"`
}

func TestWycheproof(t *testing.T) {
	folder := download(t, wycheproof)
	for _, tt := range []struct {
		file   string
		scheme webhook.Scheme
		tried  int // vectors at least, lest an empty file passes
		tag    int // the whole of a MAC, in bits
	}{
		{"eddsa", webhook.Scheme{Type: webhook.TypeEd25519}, 140, 0},
		{"ecdsa_secp256r1_sha256", webhook.Scheme{Type: webhook.TypeECDSA, Algorithm: "sha256"}, 350, 0},
		{"ecdsa_secp256r1_sha512", webhook.Scheme{Type: webhook.TypeECDSA, Algorithm: "sha512"}, 350, 0},
		{"ecdsa_secp384r1_sha384", webhook.Scheme{Type: webhook.TypeECDSA, Algorithm: "sha384"}, 350, 0},
		{"ecdsa_secp521r1_sha512", webhook.Scheme{Type: webhook.TypeECDSA, Algorithm: "sha512"}, 350, 0},
		{"ecdsa_secp256r1_sha256_p1363", webhook.Scheme{Type: webhook.TypeECDSA, Algorithm: "sha256"}, 200, 0},
		{"ecdsa_secp384r1_sha384_p1363", webhook.Scheme{Type: webhook.TypeECDSA, Algorithm: "sha384"}, 200, 0},
		{"ecdsa_secp521r1_sha512_p1363", webhook.Scheme{Type: webhook.TypeECDSA, Algorithm: "sha512"}, 200, 0},
		{"rsa_signature_2048_sha256", webhook.Scheme{Type: webhook.TypeRSA, Algorithm: "sha256"}, 200, 0},
		{"rsa_signature_2048_sha384", webhook.Scheme{Type: webhook.TypeRSA, Algorithm: "sha384"}, 200, 0},
		{"rsa_signature_3072_sha512", webhook.Scheme{Type: webhook.TypeRSA, Algorithm: "sha512"}, 200, 0},
		{"rsa_pss_2048_sha256_mgf1_32", webhook.Scheme{Type: webhook.TypeRSAPSS, Algorithm: "sha256"}, 100, 0},
		{"rsa_pss_4096_sha512_mgf1_32", webhook.Scheme{Type: webhook.TypeRSAPSS, Algorithm: "sha512"}, 100, 0},
		{"hmac_sha1", webhook.Scheme{Type: webhook.TypeHMAC, Algorithm: "sha1"}, 170, 160},
		{"hmac_sha256", webhook.Scheme{Type: webhook.TypeHMAC, Algorithm: "sha256"}, 170, 256},
		{"hmac_sha384", webhook.Scheme{Type: webhook.TypeHMAC, Algorithm: "sha384"}, 170, 384},
		{"hmac_sha512", webhook.Scheme{Type: webhook.TypeHMAC, Algorithm: "sha512"}, 170, 512},
	} {
		t.Run(tt.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(folder, "testvectors", tt.file+"_test.json"))
			if err != nil {
				t.Fatal(err)
			}
			var vectors vectorFile
			if err := json.Unmarshal(text, &vectors); err != nil {
				t.Fatal(err)
			}
			tt.scheme.Signature, tt.scheme.Encoding, tt.scheme.Signed = "header Signature", "hex", "{body}"
			form := webhook.KeyPublic
			if tt.scheme.Type == webhook.TypeHMAC {
				form = webhook.KeyHex
			}
			tt.scheme.Key = form
			tried := 0
			for _, group := range vectors.TestGroups {
				for _, v := range group.Tests {
					secret, err := webhook.ParseSecret("", group.Key+v.Key, form)
					if err != nil {
						t.Fatalf("vector %d: %v", v.ID, err)
					}
					verifier, err := webhook.NewVerifier(tt.scheme, []webhook.Secret{secret}, 0, nil)
					if err != nil {
						t.Fatalf("vector %d: %v", v.ID, err)
					}
					body, err := hex.DecodeString(v.Msg)
					if err != nil {
						t.Fatal(err)
					}
					_, err = verifier.Verify(&webhook.Request{
						Method: http.MethodPost, Header: http.Header{"Signature": {v.Sig + v.Tag}}, Body: body,
					}, time.Time{})
					want := v.Result
					switch {
					case len(v.Tag) > 0 && group.TagSize != tt.tag:
						want = "invalid" // a tag that is cut is easier to guess
					case tt.scheme.Type == webhook.TypeRSAPSS && strings.HasPrefix(v.Comment, "s_len changed to "):
						want = "acceptable" // providers leave the salt's length open
					}
					if want == "valid" && err != nil || want == "invalid" && err == nil {
						t.Errorf("vector %d (%s, %v) is %s: %v", v.ID, v.Comment, v.Flags, want, err)
					}
					tried++
				}
			}
			if tried < tt.tried {
				t.Errorf("%d vectors, want %d at least", tried, tt.tried)
			}
		})
	}
}

// download returns the folder of a module of the Go registry, which has to be of
// that version: its name has the digest of its commit, and go checks it.
func download(t *testing.T, module string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	command.Dir = t.TempDir() // of no module
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	var downloaded struct{ Dir, Error string }
	if err := json.Unmarshal(output, &downloaded); err != nil || downloaded.Error != "" {
		t.Fatalf("%v %s", err, downloaded.Error)
	}
	return downloaded.Dir
}
