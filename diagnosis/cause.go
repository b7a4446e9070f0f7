package diagnosis

// Cause is what went wrong. The set is closed.
type Cause string

// The causes.
const (
	Unknown Cause = "unknown" // nothing that was tried makes the signature right
	Genuine Cause = "genuine" // nothing is wrong

	SecretBlanks   Cause = "secret_blanks"   // a blank or line break around the secret, on one of the sides
	SecretQuoted   Cause = "secret_quoted"   // quotes, escapes or the name of a variable have become part of it
	SecretPrefix   Cause = "secret_prefix"   // a prefix such as whsec_ is there and should not be, or the reverse
	SecretEncoding Cause = "secret_encoding" // text was taken for hex or base64, or the reverse
	SecretOther    Cause = "secret_other"    // it is signed with a secret that is configured elsewhere
	SecretKind     Cause = "secret_kind"     // what is configured is no signing secret
	ModeMixed      Cause = "mode_mixed"      // test meets live

	WrongEndpoint Cause = "wrong_endpoint" // another endpoint's delivery
	OtherProvider Cause = "other_provider" // another provider's scheme fits

	BodyLineEnd    Cause = "body_line_end"   // line breaks, blanks or a byte order mark at an end, or CRLF
	BodyRewritten  Cause = "body_rewritten"  // the same JSON or form, written otherwise
	BodyCompressed Cause = "body_compressed" // compressed or decompressed on the way
	BodyWrapped    Cause = "body_wrapped"    // in base64, a form or JSON, or taken out of it
	BodyCharset    Cause = "body_charset"    // its characters were encoded anew
	BodyLength     Cause = "body_length"     // cut, or lost
	URLScheme      Cause = "url_scheme"      // http for https, or the reverse
	URLHost        Cause = "url_host"        //
	URLPort        Cause = "url_port"        //
	URLPath        Cause = "url_path"        // prefix, slash or escapes
	URLQuery       Cause = "url_query"       // dropped, or in another order
	HeaderMissing  Cause = "header_missing"  //
	HeaderEmpty    Cause = "header_empty"    //
	HeaderRenamed  Cause = "header_renamed"  //
	HeaderJoined   Cause = "header_joined"   // several fields became one
	HeaderValue    Cause = "header_value"    // quoted, escaped, or with another prefix
	OldDigest      Cause = "old_digest"      // a SHA-1 header of a provider that signs with SHA-256, too
	Encoding       Cause = "encoding"        // hex for base64, or the reverse
	Algorithm      Cause = "algorithm"       // another digest than the scheme describes
	SignedText     Cause = "signed_text"     // another text is signed than the scheme describes
	TimestampUnit  Cause = "timestamp_unit"  // milliseconds for seconds, or the like
	TooOld         Cause = "too_old"         // genuine, but signed too long ago
	TooNew         Cause = "too_new"         // genuine, but signed in the future
	ClockOff       Cause = "clock_off"       // the clock here is wrong
	Claims         Cause = "claims"          // a genuine token for elsewhere, or another time
	KeyUnavailable Cause = "key_unavailable" // a public key could not be fetched
	KeyUntrusted   Cause = "key_untrusted"   // a key that is not the provider's
)

// Causes are all of them, in the order in which they are documented.
var Causes = []Cause{
	Unknown, Genuine,
	SecretBlanks, SecretQuoted, SecretPrefix, SecretEncoding, SecretOther, SecretKind, ModeMixed,
	WrongEndpoint, OtherProvider,
	BodyLineEnd, BodyRewritten, BodyCompressed, BodyWrapped, BodyCharset, BodyLength,
	URLScheme, URLHost, URLPort, URLPath, URLQuery,
	HeaderMissing, HeaderEmpty, HeaderRenamed, HeaderJoined, HeaderValue,
	OldDigest, Encoding, Algorithm, SignedText,
	TimestampUnit, TooOld, TooNew, ClockOff,
	Claims, KeyUnavailable, KeyUntrusted,
}
