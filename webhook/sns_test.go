package webhook

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	snsTopic = "arn:aws:sns:eu-west-1:123456789012:orders"
	snsCert  = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem"
)

var snsScheme = Scheme{
	Type: TypeSNS, Key: KeyPublic, Signature: "body Signature", Timestamp: "body Timestamp rfc3339", Claims: "TopicArn={with:topic_arn}",
	DeliveryID: "body MessageId", EventType: "body Type",
	Keys: "body SigningCertURL https://sns.*.amazonaws.com/SimpleNotificationService-*.pem https://sns.*.amazonaws.com.cn/SimpleNotificationService-*.pem",
}

// snsMessage writes a message whose signature is over the given text, which is
// written out by hand in each test.
func snsMessage(t *testing.T, key *rsa.PrivateKey, version, signed string, fields map[string]string) []byte {
	t.Helper()
	hash := map[string]crypto.Hash{"1": crypto.SHA1, "2": crypto.SHA256, "3": crypto.SHA512}[version]
	h := hash.New()
	h.Write([]byte(signed))
	message := maps.Clone(fields)
	message["SignatureVersion"] = version
	message["Signature"] = base64.StdEncoding.EncodeToString(must(rsa.SignPKCS1v15(nil, key, hash, h.Sum(nil))))
	return must(json.Marshal(message))
}

func TestSNS(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	const at = "2026-01-01T00:00:00.000Z"
	notification := map[string]string{
		"Type": "Notification", "MessageId": "m-1", "TopicArn": snsTopic, "Subject": "Zoë", "Message": "line 1\nline \"2\"", "Timestamp": at,
		"SigningCertURL": snsCert, "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
	}
	const behind = "\nZoë\nTimestamp\n" + at + "\nTopicArn\n" + snsTopic + "\nType\nNotification\n"
	const signed = "Message\nline 1\nline \"2\"\nMessageId\nm-1\nSubject" + behind
	confirmation := map[string]string{
		"Type": "SubscriptionConfirmation", "MessageId": "m-2", "TopicArn": snsTopic, "Token": "t-1", "Message": "visit", "Timestamp": at,
		"SigningCertURL": snsCert, "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
	}
	const signedConfirmation = "Message\nvisit\nMessageId\nm-2\nSubscribeURL\nhttps://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription\nTimestamp\n" + at +
		"\nToken\nt-1\nTopicArn\n" + snsTopic + "\nType\nSubscriptionConfirmation\n"
	with := func(fields map[string]string, name, value string) map[string]string {
		changed := maps.Clone(fields)
		changed[name] = value
		if value == "" {
			delete(changed, name)
		}
		return changed
	}
	foreign := "arn:aws:sns:eu-west-1:999999999999:orders"
	for _, tt := range []struct {
		name string
		body []byte
		want error
	}{
		{"version 1", snsMessage(t, key, "1", signed, notification), nil},
		{"version 2", snsMessage(t, key, "2", signed, notification), nil},
		{"version 3", snsMessage(t, key, "3", signed, notification), ErrSignatureMalformed},
		{"version 2 that says it is 1", []byte(strings.Replace(string(snsMessage(t, key, "2", signed, notification)), `"SignatureVersion":"2"`, `"SignatureVersion":"1"`, 1)), ErrSignatureMismatch},
		{"no subject", snsMessage(t, key, "2", strings.Replace(signed, "Subject\nZoë\n", "", 1), with(notification, "Subject", "")), nil},
		{"confirmation of a subscription", snsMessage(t, key, "1", signedConfirmation, confirmation), nil},
		{"end of a subscription", snsMessage(t, key, "1", strings.Replace(signedConfirmation, "Type\nSubscription", "Type\nUnsubscribe", 1), with(confirmation, "Type", "UnsubscribeConfirmation")), nil},
		{"another type", snsMessage(t, key, "1", signed, with(notification, "Type", "Other")), ErrSignatureMalformed},
		{"another message", snsMessage(t, key, "1", signed, with(notification, "Message", "other")), ErrSignatureMismatch},
		{"a subject that is not signed", snsMessage(t, key, "1", strings.Replace(signed, "Subject\nZoë\n", "", 1), notification), ErrSignatureMismatch},
		{"another topic", snsMessage(t, key, "1", strings.Replace(signed, snsTopic, foreign, 1), with(notification, "TopicArn", foreign)), ErrClaimsInvalid},
		{"certificate of a stranger", snsMessage(t, key, "1", signed, with(notification, "SigningCertURL", "https://sns.eu-west-1.amazonaws.com.evil.test/SimpleNotificationService-0a1b.pem")), ErrKeyUntrusted},
		{"certificate in a bucket", snsMessage(t, key, "1", signed, with(notification, "SigningCertURL", "https://s3.amazonaws.com/SimpleNotificationService-0a1b.pem")), ErrKeyUntrusted},
		{"no certificate", snsMessage(t, key, "1", signed, with(notification, "SigningCertURL", "")), ErrKeyUntrusted},
		{"certificate that cannot be had", snsMessage(t, key, "1", signed, with(notification, "SigningCertURL", strings.Replace(snsCert, "0a1b", "ffff", 1))), ErrKeyUnavailable},
		{"a second message", []byte(strings.Replace(string(snsMessage(t, key, "1", signed, notification)), "{", `{"message":"other",`, 1)), ErrSignatureMalformed},
		{"a message whose second half is made its id", snsMessage(t, key, "1", "Message\na\nMessageId\nb\nMessageId\nm-1\nSubject"+behind,
			with(with(notification, "Message", "a"), "MessageId", "b\nMessageId\nm-1")), ErrSignatureMalformed},
		{"no JSON", []byte("{"), ErrSignatureMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := NewVerifier(snsScheme, nil, time.Hour, map[string]string{"topic_arn": snsTopic})
			if err != nil {
				t.Fatal(err)
			}
			v.FetchFrom(shelf{snsCert: {jose.JSONWebKey{Key: key.Public()}}})
			d, err := v.Verify(&Request{Body: tt.body}, arrival)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && (!strings.HasPrefix(d.ID, "m-") || !d.Timestamp.Equal(arrival)) {
				t.Errorf("found %+v", d)
			}
		})
	}
}

func TestSNSNeedsItsTopic(t *testing.T) {
	s := snsScheme
	s.Claims = ""
	_, err := s.Facts()
	if fault := new(SchemeError); !errors.As(err, &fault) || fault.Word != "claims" {
		t.Errorf("without a topic: %v", err)
	}
	facts, err := snsScheme.Facts()
	if err != nil || !facts.SignsBody || !facts.SignsID || !facts.HasTimestamp || !facts.FetchesKeys {
		t.Errorf("facts %+v, %v", facts, err)
	}
}
