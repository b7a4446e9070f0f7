package webhook

import (
	"errors"
)

// ErrScheme is returned when a scheme's description does not make sense. The
// message names the word at fault and what to write instead.
var ErrScheme = errors.New("scheme")

// SchemeError is an error about one word of a scheme's description. It wraps
// [ErrScheme].
type SchemeError struct {
	Word string // the word at fault, as it is written in a provider file
	err  error
}

func (e *SchemeError) Error() string { return e.err.Error() }
func (e *SchemeError) Unwrap() error { return e.err }

// The types of schemes.
const (
	TypeHMAC    = "hmac"    // a digest keyed with a shared secret
	TypeDigest  = "digest"  // a digest of a text that has the secret in it
	TypeToken   = "token"   // the secret itself, which proves the sender and not the content
	TypeBasic   = "basic"   // HTTP Basic authentication (RFC 7617), which proves as little
	TypeEd25519 = "ed25519" // RFC 8032, over what is signed as it is
	TypeECDSA   = "ecdsa"   // on P-256, P-384 or P-521, as DER or as r and s one behind the other
	TypeRSA     = "rsa"     // RSASSA-PKCS1-v1_5, RFC 8017
	TypeRSAPSS  = "rsa-pss" // RSASSA-PSS, RFC 8017, with a salt of any length
	TypeSNS     = "aws-sns" // the messages of Amazon SNS, version 1 or 2
	TypeJWT     = "jwt"     // a JSON Web Token, RFC 7519, in compact form
	TypeJWS     = "jws"     // a JSON Web Signature without its payload, RFC 7515 appendix F

	// HTTP Message Signatures, RFC 9421, with Content-Digest, RFC 9530.
	TypeMessage = "http-message-signature"
)

// Scheme describes how deliveries are authenticated. Its words are the same in
// a Caddyfile's scheme block, in JSON and in a provider file.
type Scheme struct {
	// The kind of proof: "hmac", a digest keyed with a shared secret; "digest", a
	// plain one of a text with {secret} in it; a signature that the provider's
	// public key checks: "ed25519", "ecdsa", "rsa" (PKCS #1 v1.5) or "rsa-pss";
	// "jws", such a one in the form of a token that lacks its middle; "jwt", a token
	// whose key may be either, as may that of "http-message-signature" (RFC 9421);
	// "token", the secret itself; or "basic", the secret user:password in the
	// Authorization header. Required.
	Type string `json:"type,omitempty" yaml:"type"`

	// The digest: sha1, sha256, sha384 or sha512, and md5 for the types hmac and
	// digest.
	// Required, as a wrong guess would refuse everything. Empty for ed25519, token
	// and basic, which have none. For a jwt, what its alg must be: HS256, RS256,
	// PS256, ES256 or their longer forms, EdDSA, or several as "RS256|ES256". For a
	// jws the same, but for HS256 and its like. For an http-message-signature
	// hmac-sha256, ed25519, ecdsa-p256-sha256, ecdsa-p384-sha384, rsa-pss-sha512 or
	// rsa-v1_5-sha256; several as above, if no key fits two of them.
	Algorithm string `json:"algorithm,omitempty" yaml:"algorithm"`

	// How the secret's text becomes the key: text, hex, base64, sha1 (the text's
	// digest) or whsec (base64 behind an optional "whsec_"). "text after :" takes what follows the last
	// colon, where what a provider shows is more than the key. Types that
	// need a public key take public alone. Default: text.
	Key KeyForm `json:"key,omitempty" yaml:"key"`

	// Where the signature travels and how it is written there: "header NAME",
	// "header_json NAME>JSON.PATH" (JSON that the field has in base64), "query NAME",
	// "form NAME", "multipart NAME>JSON.PATH" or "body JSON.PATH", then a format; or only "body" for a jwt that is the whole body. Default format: "{signature}".
	// "sha256={signature}" has a prefix. In "t={timestamp},v1={signature}" the parts
	// may come in any order and more than once, and unknown parts are skipped. In
	// "v1,{signature} ..." whole signatures are repeated with a blank between, in
	// "{timestamp},{signature},..." only the last part is, and in
	// "t={timestamp},v1={signature} ..." the whole set, with the same timestamp. Any
	// signature may match. {extra} is a part that says something else, such as a
	// nonce. The signature of a token or a jws is all of it; at
	// "body items.#.token", each element must have a token. Empty for basic. For an
	// http-message-signature "header Signature" alone, any of whose labels may match,
	// or "header Signature sig1={signature}" for the one with that label.
	Signature string `json:"signature,omitempty" yaml:"signature"`

	// How the signature's bytes are written: hex, base64 or base64url, padded or
	// not, or base64hex, which is base64 of the hex. Required. Empty for token,
	// basic, jwt, jws and http-message-signature.
	Encoding string `json:"encoding,omitempty" yaml:"encoding"`

	// What exactly is signed: text with {body}, {timestamp}, {id}, {extra}, {url},
	// {method}, {path}, {query}, {header:NAME}, {headers:LIST,NAME},
	// {header_lines:FIELD>PATH,NAME}, {query:NAME},
	// {json:PATH}, {form:NAME}, {multipart:NAME>PATH}, {form_sorted}, {json_sorted},
	// {json_php:PATH}, {amount:PATH,CURRENCYPATH}, {form_php:SIGNATURE} and
	// {with:NAME}. {body} is the bytes as received; {timestamp} the text as received;
	// {extra} that part of the signature's format, which must not hold the text behind
	// it in signed; {headers:LIST,NAME} the header fields that the field LIST names, as
	// "name:value;name:value" in the order of their names, LIST and each NAME among
	// them; {header_lines:FIELD>PATH,NAME} those that a member of the JSON in FIELD
	// lists, each NAME among them, as lines "Name: value" in the order and spelling
	// of the list; {form_sorted} each form field's name followed by its value, in the order
	// of the names, then of the values, without repeats; {json_sorted} the body as
	// JSON.stringify writes it, with the members of each object in the order of their
	// names; {json_php:PATH} the JSON at PATH as PHP's json_encode writes it;
	// {amount:PATH,CURRENCYPATH} an amount in the body with as many decimals as its
	// currency has; {form_php:SIGNATURE} the form's fields but SIGNATURE, in the order
	// of their names, as PHP's serialize writes them. {sha256:body},
	// {sha256_base64:body}, {sha256_raw:body}, {md5_base64:body} and {crc32:body} are
	// digests of the body, and of the URL with url in its place, in hex, base64,
	// bare bytes, base64 and decimal; {quoted:body} is the body as a JSON string.
	// {secret}, which a digest must have, and an hmac may, is the secret. "{{" is a
	// brace. Required. Empty for token and basic, which sign nothing.
	//
	// For an http-message-signature, the components that each must cover, such as
	// "@method @target-uri content-digest": content-digest, which ties the body to
	// them, and @target-uri, or @authority and @path, which tell this endpoint from
	// others, have to be among them. It may cover more; it has to cover the query if
	// there is one, and the method if it is not POST.
	Signed string `json:"signed,omitempty" yaml:"signed"`

	// What must stand at a place besides: "query digest {sha256:body}", a place and
	// a text that is written like what is signed. Where the signature covers the
	// place but not the body, a digest there is what ties the body to it, as does
	// "body id {query:id}" where it covers the query parameter. Default: nothing.
	// Means nothing to jwt, token, basic, aws-sns and http-message-signature.
	Require string `json:"require,omitempty" yaml:"require"`

	// Where the timestamp travels, and its unit: "header NAME", "query NAME",
	// "form NAME", "body JSON.PATH", or "signature" for the {timestamp} in the
	// signature's format, or "claim NAME" of a jwt, or "claim created" of an
	// http-message-signature; then seconds, milliseconds, unix, which is either of
	// them, told by its size, rfc3339, utc, which is RFC 3339 without an offset, or
	// http, as the field Date of RFC 9110 has it. Default unit: seconds. Empty if the
	// scheme has no timestamp. It must be covered by what is signed, else it proves
	// nothing.
	Timestamp string `json:"timestamp,omitempty" yaml:"timestamp"`

	// Where the id travels that is the same on every attempt of one delivery:
	// a place as above, or "claim nonce" of an http-message-signature. Empty if the
	// provider sends none.
	DeliveryID string `json:"delivery_id,omitempty" yaml:"delivery_id"`

	// Where the event type travels: a place as above. Empty if there is none.
	EventType string `json:"event_type,omitempty" yaml:"event_type"`

	// For tokens and Amazon SNS, what they must say: "iss=acme payload_hash={sha256:body}". The
	// values are written like what is signed, a "|" between those of which any
	// will do. Of a list, such as aud may be, one element has to match. exp and
	// nbf are checked wherever a token has them. For an http-message-signature, what
	// its parameters keyid and tag must be; expires is checked wherever it is there.
	// Default: nothing more.
	Claims string `json:"claims,omitempty" yaml:"claims"`

	// Where the provider publishes its public keys, as a JWKS or in PEM, in place
	// of a secret: an https URL, in which {with:NAME} may stand; or, where each
	// delivery names the URL, that place and the URLs that are trusted there, in
	// which * is any run of letters, digits, dashes and underscores, such as
	// "header X-Cert-Url https://example.com/certs/*". A URL may end in {key_id}, the
	// id of the key that the delivery names. Default: nowhere; there is a secret.
	Keys string `json:"keys,omitempty" yaml:"keys"`

	// Where a delivery names the key's id: a place as above. A jwt, a jws and an
	// http-message-signature have it inside, so that it is empty for them. Default:
	// every published key may be the one.
	KeyID string `json:"key_id,omitempty" yaml:"key_id"`

	// The path of the key, or of the keys, in a JSON answer, such as data.publicKey:
	// a text in PEM or base64, or an object that is a JWK or a JWKS. Default: the
	// answer is all keys.
	KeyPath string `json:"key_path,omitempty" yaml:"key_path"`

	// What the answer takes besides a GET: "bearer {with:api_key}", which shows a
	// token; "json key_id={key_id} secret={with:secret}", which posts a JSON object;
	// or "oauth https://example.com/token {with:client_id} {with:client_secret} scope",
	// which gets a token first, as in RFC 6749 section 4.4. Default: nothing.
	KeyRequest string `json:"key_request,omitempty" yaml:"key_request"`
}
