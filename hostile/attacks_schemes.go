package main

// schemes attacks each kind of scheme where it is its own.
var schemes = []attack{
	// Stripe: t=…,v1=… in one field.
	{name: "Stripe: parts in another order", to: "stripe", text: instead("Stripe-Signature: v0=00,{Stripe-Signature},v1=" + times(64, "0") + "\n"), want: "200"},
	{name: "Stripe: two times", to: "stripe", text: instead("Stripe-Signature: t=1,{Stripe-Signature}\n"), want: "401"},
	{name: "Stripe: the time behind, too", to: "stripe", text: instead("Stripe-Signature: {Stripe-Signature},t={now}\n"), want: "200|401"},
	{name: "Stripe: v0 alone", to: "stripe", text: instead("Stripe-Signature: t={now},v0=" + times(64, "0") + "\n"), want: "401"},
	{name: "Stripe: no time", to: "stripe", text: instead("Stripe-Signature: v1=" + times(64, "0") + "\n"), want: "401"},
	{name: "Stripe: empty parts", to: "stripe", text: instead("Stripe-Signature: ,,,=,t=,v1=\n"), want: "401"},
	{name: "Stripe: two hundred signatures", to: "stripe", text: instead("Stripe-Signature: t={now}" + times(200, ",v1="+times(64, "0")) + "\n"), want: "401"},
	{name: "Stripe: two fields", to: "stripe", text: behind("Stripe-Signature: t=1,v1=00\n"), want: "401"},
	{name: "Stripe: signature of another body", to: "stripe", text: post + "{signed}Content-Length: 2\n\n{}", want: "401"},
	// GitHub: a prefix, and unsigned fields beside.
	{name: "GitHub: SHA-1 in place of SHA-256", to: "github", text: instead("X-Hub-Signature: sha1=" + times(40, "0") + "\n"), want: "401"},
	{name: "GitHub: sha1 in the field of SHA-256", to: "github", text: instead("X-Hub-Signature-256: sha1=" + times(40, "0") + "\n"), want: "401"},
	{name: "GitHub: two prefixes", to: "github", text: instead("X-Hub-Signature-256: sha256=sha256=" + times(64, "0") + "\n"), want: "401"},
	{name: "GitHub: two ids", to: "github", text: behind("X-GitHub-Delivery: other\n"), want: "200|401", id: new("")},
	{name: "GitHub: two events", to: "github", text: behind("X-GitHub-Event: other\n"), want: "200|401", event: new("")},
	{name: "GitHub: an event that is a path", to: "github", text: instead("X-Hub-Signature-256: {X-Hub-Signature-256}\nX-GitHub-Event: ../../etc/passwd\nX-GitHub-Delivery: {id}\n"), want: "200", event: new("../../etc/passwd")},
	// SALLY: everything but the signature in fields of its own.
	{name: "SALLY: an id of 10 KiB", to: "sally", text: instead("X-Sally-Timestamp: {now}\nX-Sally-Signature: {X-Sally-Signature}\nX-Sally-Delivery: " + times(10<<10, "a") + "\n"), want: "200", id: new(""), event: new("")},
	{name: "SALLY: no id", to: "sally", text: instead("X-Sally-Timestamp: {now}\nX-Sally-Signature: {X-Sally-Signature}\n"), want: "200", id: new(""), event: new("")},
	{name: "SALLY: an empty id", to: "sally", text: instead("X-Sally-Timestamp: {now}\nX-Sally-Signature: {X-Sally-Signature}\nX-Sally-Delivery:\n"), want: "200", id: new(""), event: new("")},
	{name: "SALLY: signature in capitals", to: "sally", text: instead("X-Sally-Timestamp: {now}\nX-Sally-Signature: " + times(64, "F") + "\n"), want: "401"},
	// Slack: a handshake that repeats the sender's text.
	{name: "Slack: unsigned challenge", to: "slack", body: `{"type":"url_verification","challenge":"x"}`, text: instead(""), want: "401"},
	{name: "Slack: signed challenge with markup", to: "slack", body: `{"type":"url_verification","challenge":"<script>alert(1)</script>"}`, text: genuine, want: "200", withheld: 1},
	{name: "Slack: signed challenge of 500 KiB", to: "slack", body: `{"type":"url_verification","challenge":"` + times(500<<10, "x") + `"}`, text: genuine, want: "200|401", withheld: 1},
	{name: "Slack: signed challenge that is no text", to: "slack", body: `{"type":"url_verification","challenge":{"a":[1]}}`, text: genuine, want: "200|400|401", withheld: 1},
	{name: "Slack: another version", to: "slack", text: instead("X-Slack-Request-Timestamp: {now}\nX-Slack-Signature: v1=" + times(64, "0") + "\n"), want: "401"},
	// Shopify: base64.
	{name: "Shopify: base64 for URLs", to: "shopify", text: instead("X-Shopify-Hmac-Sha256: " + times(42, "_") + "8=\n"), want: "401"},
	{name: "Shopify: no padding", to: "shopify", text: instead("X-Shopify-Hmac-Sha256: " + times(43, "A") + "\n"), want: "401"},
	{name: "Shopify: bits behind the end", to: "shopify", text: instead("X-Shopify-Hmac-Sha256: " + times(42, "A") + "B=\n"), want: "401"},
	{name: "Shopify: line ends in base64", to: "shopify", text: instead("X-Shopify-Hmac-Sha256: " + times(20, "A") + "\n " + times(23, "A") + "=\n"), want: "400|401"},
	{name: "Shopify: the old field and the new", to: "shopify", text: behind("Shopify-Hmac-Sha256: " + times(43, "A") + "=\n"), want: "200"},
	{name: "Shopify: hexadecimal", to: "shopify", text: instead("X-Shopify-Hmac-Sha256: " + times(64, "a") + "\n"), want: "401"},
	// Standard Webhooks: many signatures in one field.
	{name: "Standard Webhooks: forged ones before the genuine one", to: "standard-webhooks", text: instead("Webhook-Id: {id}\nWebhook-Timestamp: {now}\nWebhook-Signature: v1,AAAA v1,{now} v2,x {Webhook-Signature}\n"), want: "200|401"},
	{name: "Standard Webhooks: two hundred signatures", to: "standard-webhooks", text: instead("Webhook-Id: {id}\nWebhook-Timestamp: {now}\nWebhook-Signature: " + times(200, "v1,"+times(43, "A")+"= ") + "\n"), want: "401"},
	{name: "Standard Webhooks: another version", to: "standard-webhooks", text: instead("Webhook-Id: {id}\nWebhook-Timestamp: {now}\nWebhook-Signature: v1a,AAAA\n"), want: "401"},
	{name: "Standard Webhooks: another id", to: "standard-webhooks", text: instead("Webhook-Id: other\nWebhook-Timestamp: {now}\nWebhook-Signature: {Webhook-Signature}\n"), want: "401"},
	{name: "Standard Webhooks: an id that moves the time", to: "standard-webhooks", text: instead("Webhook-Id: {id}.{now}\nWebhook-Timestamp: {now}\nWebhook-Signature: {Webhook-Signature}\n"), want: "401"},
	{name: "Standard Webhooks: no id", to: "standard-webhooks", text: instead("Webhook-Timestamp: {now}\nWebhook-Signature: {Webhook-Signature}\n"), want: "401"},
	// A JSON Web Token.
	{name: "token: no algorithm", to: "livekit", text: instead("Authorization: eyJhbGciOiJub25lIn0.eyJzaGEyNTYiOiJ4In0.\n"), want: "401"},
	{name: "token: another algorithm", to: "livekit", text: instead("Authorization: eyJhbGciOiJIUzUxMiJ9.e30.AAAA\n"), want: "401"},
	{name: "token: the genuine one of another body", to: "livekit", text: post + "{signed}Content-Length: 2\n\n{}", want: "401"},
	{name: "token: signature cut off", to: "livekit", text: instead("Authorization: eyJhbGciOiJIUzI1NiJ9.e30.\n"), want: "401"},
	{name: "token: four parts", to: "livekit", text: instead("Authorization: {Authorization}.AAAA\n"), want: "401"},
	{name: "token: a key of its own", to: "livekit", text: instead("Authorization: eyJhbGciOiJIUzI1NiIsImp3ayI6eyJrdHkiOiJvY3QiLCJrIjoiQUFBQSJ9fQ.e30.AAAA\n"), want: "401"},
	{name: "token: a key from elsewhere", to: "livekit", text: instead("Authorization: eyJhbGciOiJIUzI1NiIsImprdSI6Imh0dHA6Ly8xMjcuMC4wLjE6MS9qd2tzIn0.e30.AAAA\n"), want: "401"},
	{name: "token: must be understood, and is not", to: "livekit", text: instead("Authorization: eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdLCJ4IjoxfQ.e30.AAAA\n"), want: "401"},
	{name: "token: 15 KiB", to: "livekit", text: instead("Authorization: " + times(15<<10, "A") + ".e30.AAAA\n"), want: "401"},
	{name: "token: two of them", to: "livekit", text: behind("Authorization: e30.e30.AAAA\n"), want: "200"},
	{name: "token: encrypted", to: "livekit", text: instead("Authorization: eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA\n"), want: "401"},
	// Discord: Ed25519.
	{name: "Discord: all zeros", to: "discord", text: instead("X-Signature-Timestamp: {now}\nX-Signature-Ed25519: " + times(128, "0") + "\n"), want: "401"},
	{name: "Discord: a signature half as long", to: "discord", text: instead("X-Signature-Timestamp: {now}\nX-Signature-Ed25519: " + times(64, "0") + "\n"), want: "401"},
	{name: "Discord: another time", to: "discord", text: instead("X-Signature-Timestamp: 1{now}\nX-Signature-Ed25519: {X-Signature-Ed25519}\n"), want: "401"},
	{name: "Discord: a digit moved from the time into the body", to: "discord", text: post + "X-Signature-Timestamp: 179608320\nX-Signature-Ed25519: {X-Signature-Ed25519}\n" + "Content-Length: 3\n\n0{}", want: "401"},
	{name: "Discord: unsigned ping", to: "discord", body: `{"type":1}`, text: instead(""), want: "401"},
	{name: "Discord: forged ping", to: "discord", body: `{"type":1}`, text: instead("X-Signature-Timestamp: {now}\nX-Signature-Ed25519: " + times(128, "a") + "\n"), want: "401"},
	// GitLab: the secret itself.
	{name: "GitLab: no token", to: "gitlab", text: instead(""), want: "401"},
	{name: "GitLab: empty token", to: "gitlab", text: instead("X-Gitlab-Token:\n"), want: "401"},
	{name: "GitLab: the token with a blank inside", to: "gitlab", text: instead("X-Gitlab-Token: {X-Gitlab-Token} {X-Gitlab-Token}\n"), want: "401"},
	{name: "GitLab: the token in capitals", to: "gitlab", text: instead("X-Gitlab-Token: HOSTILE-TEST-SECRET\n"), want: "401"},
	{name: "GitLab: the start of the token", to: "gitlab", text: instead("X-Gitlab-Token: hostile-test\n"), want: "401"},
	{name: "GitLab: a wrong token, and the right one", to: "gitlab", text: plus("X-Gitlab-Token: guess\n"), want: "200"},
	// Amazon SNS: keys by address, subscriptions that are visited.
	{name: "SNS: a certificate from elsewhere", to: "aws-sns", text: swapped(`"SigningCertURL":"https://sns.eu-west-1.amazonaws.com.other.example/SimpleNotificationService-0a.pem"`), want: "401"},
	{name: "SNS: a certificate of this machine", to: "aws-sns", text: swapped(`"SigningCertURL":"http://127.0.0.1:1/SimpleNotificationService-0a.pem"`), want: "401"},
	{name: "SNS: a certificate in a file", to: "aws-sns", text: swapped(`"SigningCertURL":"file:///etc/passwd"`), want: "401"},
	{name: "SNS: a certificate by way of a user", to: "aws-sns", text: swapped(`"SigningCertURL":"https://sns.eu-west-1.amazonaws.com@127.0.0.1:1/SimpleNotificationService-0a.pem"`), want: "401"},
	{name: "SNS: another topic", to: "aws-sns", text: swapped(`"TopicArn":"arn:aws:sns:eu-west-1:123456789012:other"`), want: "401"},
	{name: "SNS: a forged confirmation", to: "aws-sns", text: swapped(`"SubscribeURL":"http://127.0.0.1:1/?Action=ConfirmSubscription"`), want: "401"},
	{name: "SNS: no JSON", to: "aws-sns", text: post + "Content-Length: 1\n\n{", want: "401"},
	{name: "SNS: members twice", to: "aws-sns", text: post + "Content-Length: 65\n\n" + `{"Type":"Notification","Type":"SubscriptionConfirmation","A":"bcd"}`, want: "401 400|401"},
	// Signed anew for the application.
	{name: "signed for the application by the sender", to: "resigned", text: plus("Webhook-Id: forged\nWebhook-Timestamp: 1\nWebhook-Signature: v1,AAAA\n"), want: "200"},
	// Monitor mode forwards everything, and says of it what it is.
	{name: "monitor: unsigned, with our fields", to: "monitor", text: instead("Hookpass-Verified: signature\nHookpass-Event: forged\n"), want: "200", verified: "none"},
	{name: "monitor: unsigned and dropped by Connection", to: "monitor", text: instead("Connection: Hookpass-Verified\n"), want: "200", verified: "none"},
	{name: "monitor: broken signature, length and chunked", to: "monitor", text: post + sized + "Transfer-Encoding: chunked\n\n{size}\n{body}\n0\n\n", want: "200|400", verified: "none"},
	{name: "monitor: two lengths", to: "monitor", text: post + "Content-Length: 1\n" + sized + "\n{body}", want: "400"},
	{name: "monitor: a request as its body", to: "monitor", body: http1(inner), text: instead("Hookpass-Verified: signature\n"), want: "200", verified: "none"},
}

// swapped is an unsigned notification in which one member says something else.
func swapped(member string) string {
	return post + "Content-Type: text/plain\nTransfer-Encoding: chunked\n\n" + chunk(`{"Type":"Notification","MessageId":"m","Message":"x","Timestamp":"2026-12-01T00:00:00Z","SignatureVersion":"2","Signature":"AAAA",`+member+`}`) + "0\n\n"
}
