package diagnosis

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/hookpass/hookpass/webhook"
)

// secrets tries what becomes of a secret on its way from a dashboard into a
// configuration, and the secrets of other endpoints.
func (s *search) secrets(error) (Finding, bool) {
	keys := s.spoilt(s.endpoint)
	r := &s.delivery.Request
	affordable := min(s.left.Variants, s.left.Bytes/(len(r.Body)+len(r.URL)+overhead))
	keys = keys[:min(len(keys), affordable)] // the likely ones come first
	if k, err := s.matched(newProver(s.endpoint, s.endpoint.Scheme, 0, keys), r); err == nil && s.complete() {
		return k.proven(), true
	}
	return Finding{}, false
}

// complete reports whether what has been verified is the whole request.
func (s *search) complete() bool { return !s.delivery.HeadOnly }

// spoilt are the variants of an endpoint's own secrets.
func (s *search) spoilt(e Endpoint) []key {
	if isPublic(e.Scheme) {
		return nil
	}
	var keys []key
	for _, c := range e.Secrets {
		keys = append(keys, variantsOf(c.Text(), e.Scheme.Key)...)
	}
	return keys
}

// variants collects the keys that a text can have become, each once.
type variants struct {
	form webhook.KeyForm
	keys []key
}

// add takes text in the scheme's form; of text that has blanks around it, these
// are part of the key.
func (v *variants) add(x explanation, text string, form webhook.KeyForm) {
	k := key{text: text, form: form}
	if isText(form) {
		bare, usable := bareKey([]byte(text))
		if !usable {
			return
		}
		k = bare
	} else if len(text) < shortestKey {
		return
	}
	k.explanation = x
	v.keys = append(v.keys, k)
}

// What stands before a secret in a dashboard, a header or a file.
var prefixes = []string{"v1,whsec_", "whsec_", "v1,", "whpk_", "Bearer ", "sha256=", "secret=", "secret:", "Secret:"}

// variable is the beginning of a line of an environment file.
var variable = regexp.MustCompile(`^(export +)?[A-Z][A-Z0-9_]*=`)

func variantsOf(text string, form webhook.KeyForm) []key {
	v := &variants{form: form}
	here := "Correct the secret in the configuration: "

	blanks := explanation{SecretBlanks, "The configured secret has blanks or a line break around it, which do not belong to it.", here + "write it without them."}
	trimmed := strings.TrimSpace(text)
	if trimmed != text {
		v.add(blanks, trimmed, form)
	}
	if joined := strings.Join(strings.Fields(text), ""); joined != trimmed {
		v.add(explanation{SecretBlanks, "The configured secret has blanks or line breaks inside, which do not belong to it.", here + "write it without them."}, joined, form)
	}
	if isText(form) {
		for _, around := range []struct{ before, after, name string }{
			{"", "\n", "a line break behind it"},
			{"", "\r\n", "a line break (CRLF) behind it"},
			{"", "\r", "a carriage return behind it"},
			{"", " ", "a blank behind it"},
			{" ", "", "a blank in front of it"},
			{"", "\t", "a tab behind it"},
			{"\n", "", "a line break in front of it"},
			{"\ufeff", "", "a byte order mark in front of it"},
		} {
			v.add(explanation{SecretBlanks, "The sender signs with the configured secret and " + around.name + ".", "Set the secret anew at the provider, without it: a file or pipe has added it, as echo does where printf '%s' would not."}, around.before+trimmed+around.after, form)
		}
	}

	quoted := explanation{SecretQuoted, "The configured secret has quotes around it, which do not belong to it.", here + "write it without them."}
	for _, quote := range []string{`"`, `'`, "`"} {
		if inside, ok := strings.CutPrefix(trimmed, quote); ok && strings.HasSuffix(inside, quote) {
			v.add(quoted, strings.TrimSuffix(inside, quote), form)
		}
		if isText(form) {
			v.add(explanation{SecretQuoted, "The sender signs with the configured secret in quotes.", "Set the secret anew at the provider, without quotes."}, quote+trimmed+quote, form)
		}
	}
	if name := variable.FindString(trimmed); name != "" {
		v.add(explanation{SecretQuoted, "The configured secret is a whole line of an environment file, with the name of the variable in front.", here + "write what follows the equals sign alone."}, strings.Trim(strings.TrimPrefix(trimmed, name), `"'`), form)
	}
	if plain, err := url.PathUnescape(trimmed); err == nil && plain != trimmed {
		v.add(explanation{SecretQuoted, "The configured secret has percent escapes, which stand for other characters.", here + "copy it from the dashboard and not from a URL."}, plain, form)
	}
	if isText(form) {
		if escaped := url.QueryEscape(trimmed); escaped != trimmed {
			v.add(explanation{SecretQuoted, "The sender signs with the configured secret as it is escaped in URLs.", "Set the secret anew at the provider, through its dashboard or as JSON."}, escaped, form)
		}
	}
	if plain := strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&#39;", "'").Replace(trimmed); plain != trimmed {
		v.add(explanation{SecretQuoted, "The configured secret has HTML escapes, which stand for other characters.", here + "copy it from the dashboard and not from the source of a page."}, plain, form)
	}
	if plain := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`, `\$`, `$`).Replace(trimmed); plain != trimmed {
		v.add(explanation{SecretQuoted, "The configured secret has backslash escapes, which stand for other characters.", here + "write it as the dashboard shows it."}, plain, form)
	}
	v.addPrefixes(trimmed)
	v.addEncodings(trimmed)
	return v.keys
}

func (v *variants) addPrefixes(text string) {
	bare := text
	for _, prefix := range prefixes {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			if bare == text {
				bare = strings.TrimSpace(rest)
			}
			x := explanation{SecretPrefix, fmt.Sprintf("The configured secret begins with %q, which is not a part of it here.", prefix), "Write the secret into the configuration without it."}
			v.add(x, strings.TrimSpace(rest), v.form)
		}
	}
	x := explanation{SecretPrefix, "The sender signs with the text behind whsec_ as it stands, and not with what it is in base64.", "Describe the scheme with key \"text after _\", or use the provider's own entry in the catalogue."}
	if bare != text && !isText(v.form) {
		v.add(x, bare, webhook.KeyText)
	}
	if bare != text && isText(v.form) {
		x = explanation{SecretPrefix, "The sender signs with what is behind whsec_, decoded from base64, as Standard Webhooks has it.", "Write key whsec in the scheme, or use the entry standard-webhooks or the provider's own."}
		v.add(x, bare, webhook.KeyBase64)
	}
	if bare == text && isText(v.form) {
		v.add(explanation{SecretPrefix, "The sender signs with the whole text that the dashboard shows, whsec_ included; the configured secret lacks it.", "Copy the secret from the dashboard whole, with whsec_ in front."}, "whsec_"+text, v.form)
	}
}

// addEncodings reads the text in every other form than the scheme's.
func (v *variants) addEncodings(text string) {
	const remedy = "If the scheme is your own, correct its key; else check that the endpoint names the right provider."
	for _, other := range []struct {
		form webhook.KeyForm
		name string
	}{
		{webhook.KeyText, "the text of the secret as it stands"},
		{webhook.KeyHex, "the bytes that the secret is in hex"},
		{webhook.KeyBase64, "the bytes that the secret is in base64"},
		{webhook.KeySHA1, "the SHA-1 of the secret"},
	} {
		if other.form != v.form && (other.form != webhook.KeyText || !isText(v.form)) {
			v.add(explanation{SecretEncoding, "The sender signs with " + other.name + ".", remedy}, text, other.form)
		}
	}
	if v.form == webhook.KeyWhsec || v.form == webhook.KeyBase64 {
		v.add(explanation{SecretEncoding, "The sender signs with the base64 of the secret's bytes, and not with the bytes.", remedy}, strings.TrimPrefix(text, "whsec_"), webhook.KeyText)
	}
	// A value that was put into base64 once more, as those of Kubernetes are.
	if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
		inner := strings.TrimSpace(string(decoded))
		v.add(explanation{SecretEncoding, "The configured secret is still in base64, in which a store of secrets keeps it.", "Give the value that it decodes to, or let the store decode it."}, inner, v.form)
	}
	if isText(v.form) {
		const inDashboard = "Set the secret anew at the provider, in the form in which it is configured here."
		v.add(explanation{SecretEncoding, "The sender signs with the configured secret put into base64.", inDashboard}, base64.StdEncoding.EncodeToString([]byte(text)), v.form)
		v.add(explanation{SecretEncoding, "The sender signs with the configured secret put into hex.", inDashboard}, hex.EncodeToString([]byte(text)), v.form)
		const inCapitals = "Compare the configured secret with the dashboard letter by letter: copy it, do not type it."
		if lower := strings.ToLower(text); lower != text {
			v.add(explanation{SecretEncoding, "The secret is in small letters alone; the configured one has capitals.", inCapitals}, lower, v.form)
		}
		if upper := strings.ToUpper(text); upper != text {
			v.add(explanation{SecretEncoding, "The secret is in capitals alone; the configured one has small letters.", inCapitals}, upper, v.form)
		}
	}
}

// otherEndpoints tries the secrets that are configured elsewhere in the process:
// with the scheme that they are for, then with this endpoint's.
func (s *search) otherEndpoints(error) (Finding, bool) {
	for _, other := range s.process.Others {
		other.Keys = nil // a stranger's request is no reason to fetch anything
		theirs := newProver(other, other.Scheme, 0, labelledKeys(other, other.Scheme.Key))
		if k, err := s.matched(theirs, &s.delivery.Request); err == nil && s.complete() {
			return s.elsewhere(other, k), true
		}
		if isPublic(other.Scheme) != isPublic(s.endpoint.Scheme) {
			continue
		}
		ours := newProver(s.endpoint, s.endpoint.Scheme, 0, labelledKeys(other, s.endpoint.Scheme.Key))
		if k, err := s.matched(ours, &s.delivery.Request); err == nil && len(ours.keys) > 0 && s.complete() {
			return s.foreignSecret(other, k), true
		}
	}
	return Finding{}, false
}

// labelledKeys are an endpoint's secrets, with the name by which to speak of each.
func labelledKeys(e Endpoint, form webhook.KeyForm) []key {
	var keys []key
	for _, c := range e.Secrets {
		k := key{text: strings.TrimSpace(c.Text()), form: form}
		k.sentence = "the secret of endpoint " + e.Name
		if c.Label != "" {
			k.sentence = "the secret " + c.Label + " of endpoint " + e.Name
		}
		k.remedy = mode(c.Label + " " + e.Name)
		keys = append(keys, k)
	}
	return keys
}

// elsewhere explains a delivery that another endpoint would have let pass.
func (s *search) elsewhere(other Endpoint, k key) Finding {
	if other.Provider == s.endpoint.Provider && other.Scheme == s.endpoint.Scheme {
		return s.foreignSecret(other, k)
	}
	what := "its scheme"
	if other.Provider != "" {
		what = "the scheme of " + other.Provider
	}
	return Finding{
		Cause: WrongEndpoint, Proven: true,
		Sentence: fmt.Sprintf("The delivery belongs to endpoint %s: %s and its secret fit.", other.Name, what),
		Remedy:   fmt.Sprintf("Correct the address at the provider, or the path of the endpoints %s and %s in the configuration.", s.endpoint.Name, other.Name),
	}
}

// foreignSecret explains a delivery for this scheme with another's secret.
func (s *search) foreignSecret(other Endpoint, k key) Finding {
	f := Finding{
		Cause: SecretOther, Proven: true,
		Sentence: "The delivery is signed with " + k.sentence + ".",
		Remedy:   fmt.Sprintf("Send it to endpoint %s, or give that secret to endpoint %s, too: several may stand side by side.", other.Name, s.endpoint.Name),
	}
	ours := s.mode()
	if theirs := k.remedy; ours != "" && theirs != "" && ours != theirs {
		f.Cause = ModeMixed
		f.Sentence = fmt.Sprintf("A delivery of %s mode met an endpoint of %s mode: it is signed with %s.", theirs, ours, k.sentence)
	}
	return f
}

// mode is the endpoint's, as far as its name and its labels tell.
func (s *search) mode() string {
	names := s.endpoint.Name
	for _, c := range s.endpoint.Secrets {
		names += " " + c.Label //nolint:modernize // there are one or two
	}
	return mode(names)
}

// mode is test or live where a name says one of them, and not both.
func mode(name string) string {
	found := ""
	for word := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return r < 'a' || r > 'z' }) {
		is := map[string]string{"test": "test", "testing": "test", "sandbox": "test", "staging": "test", "dev": "test", "live": "live", "prod": "live", "production": "live"}[word]
		if is != "" && found != "" && is != found {
			return ""
		}
		if is != "" {
			found = is
		}
	}
	return found
}

// What a provider hands out besides signing secrets, and what stands for a secret
// that is yet to come, by how it begins.
var tokens = []struct{ provider, prefix, what string }{
	{"stripe", "sk_live_", "a secret API key for live mode"},
	{"stripe", "sk_test_", "a secret API key for test mode"},
	{"stripe", "rk_", "a restricted API key"},
	{"stripe", "pk_", "a publishable API key"},
	{"shopify", "shpat_", "an access token"},
	{"github", "ghp_", "a personal access token"},
	{"github", "github_pat_", "a personal access token"},
	{"slack", "xoxb-", "a bot token"},
	{"slack", "xoxp-", "a user token"},
	{"", "{env.", "a placeholder that was not filled in"},
	{"", "${", "a variable that was not filled in"},
	{"", "<", "a placeholder that was not filled in"},
}

// secretKind finds a configured secret that cannot be one.
func (s *search) secretKind() (explanation, bool) {
	for _, c := range s.endpoint.Secrets {
		for _, token := range tokens {
			if (token.provider == "" || token.provider == s.endpoint.Provider) && strings.HasPrefix(strings.TrimSpace(c.Text()), token.prefix) {
				return explanation{SecretKind, "The configured secret begins like " + token.what + ", with which no webhook is signed.", "Copy the signing secret of the webhook from the provider's dashboard."}, true
			}
		}
	}
	return explanation{}, false
}
