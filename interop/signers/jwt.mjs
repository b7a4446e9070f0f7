// Providers that send JSON Web Tokens (RFC 7519), or sign with a key that they
// publish. The private key was made for these vectors alone and opens nothing.

import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { crc32 } from "node:zlib";

import { digest, hmac, seconds } from "./helpers/signing.mjs";

const privateKey = createPrivateKey(`-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC9OBIDSqZNOJ6W
dd7hAmyLASdD30yV9bxrTWS44wP9u4kXez0E0Y/x04JSZRZb1bvAnsnnV9kc8AAR
SnUByUI5GUtYMRQOr4TinisWhgI4bWkyIjKzd6HySRH9iNhren93yREmRJ2F+tJK
/6euGvC7hfAP8GDVWwsZ6szvDM4AOvngikwiCQH2KME+UVmnFnDiqCQSf++VeQyJ
KL9t5Og8/pg4Ul7ePQqwqfoGQD1sW/6F/apogY6KNd2IXd3yLq2DJ4urg2qKTPXc
fXu7raRsR3xYtGU5yitSCqi9Q+V+UH3ZOa/FLLLrJwTHZjDwTe+NUzAR64Ux+Vur
SfSICKpDAgMBAAECggEACFBP3kwn3Wm48hRwvAMuwLbGwmErzMT0x+QpIkR7NulH
/zufdTg98lqgNb2SS2urKa3wYhVGiVJ0Nk5GsNLmcXrOiCvz3SdSF+DqNL2jmFYa
UqUVBDSj7XDPdQvPsn0534n6kmteXnYkSj5MYEZ3wE2EvDaMEqPC65sY8QHnhTP+
yn1z/hECdrXt7pwLGIhYkF+9JS5i9rvpB+FGV1QuoQEd5T5Yt+MqAO/y6gio6GGh
RKWl6tmHczBMLU8k9veZyV8NNznEVTEf7Bg5YoHgkIR2dhgYDH6NUbdMxiq/ZwXo
b1bXsc01uXSTWepQev0dd19KfwzuMFljIUcpcBnQ3QKBgQDo7RMnfBA0Sz8DqI6f
81Z2ZfKPNGZBADrA6S9wniCJj7d8eRiw6DjJiEzU+hmXr1obSN/127nxYlYbxqxl
CKsrYxdNox9f55d6v2FGJ+QR9oXm5AGgL1eHOdSyfFDPyQlM+TUk4gz4xmrcs37J
0tio9iGUZncSyKorQJSPDzMrHQKBgQDP9pmM+c74oh77R/i3baduqmEThNZpt0Ks
MZJtB6Qwsl4wHlTX28zgdxfEodv5FRuzePTCVI1xniOlsqPNGDojwXvPDjcvImx6
9fqxtiuJzRotydG9eeFjTc873mWtIe+ft39Fni/nx/splwXn/9gvkMURTeO73a2m
3f3VjpfM3wKBgFrZrXDnKQLcnpV0tzyYEw9XMEa+72tHBaOc0E4ivxooni7EpObL
jOq+aQlhC35ofMLLp98jduE5s9Bdq3w0516i5cH4cBJeKG1OHEja4lBHUW7/W8r4
7DDoU5fSeUqyZRhK03mxWdHmwmOW90sNHEi6x9o0JRmEfysjo04xZYnZAoGAKPNN
LzZtrAX4hdCZSD1eb+s67GYG9pAwn8mvJKsRiMlGxMDkQhE1Gao50u1wbG7coo2Z
3L5bj9js+g7gNF2l7S6HW7FX6n8jz16qe938Wsk5c3S/SUk7uZszyH01lk8NaWzv
sdzBYCm/6mOjtRhrEIq4U3z78B1puWcTOb83Yw8CgYEAixyZdc4CO01m9vqqhYx3
1+Q7TLnuPUSEnvMSd1H+ozuRuhl3Od9VxAXCch4TlgYhRsI08jpHt/o9j/8ecAM2
e2rKjybS78YM8yBJtaiGVA9MVxuoWqrpaumGqZyajjoBUxcJTXI+Er2H37S5Nezn
YE+hOe6J90cWEt7GnXEIeXU=
-----END PRIVATE KEY-----`);
const keyID = "example-1";

// node interop/signers/jwt.mjs prints the key set of the vectors, and its key in PEM.
export const keySet = () =>
  JSON.stringify({ keys: [{ ...createPublicKey(privateKey).export({ format: "jwk" }), kid: keyID, use: "sig", alg: "RS256" }] });

const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

const hs256 = (secret, claims) => {
  const input = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${input}.${hmac("sha256", secret, input, "base64url")}`;
};

const rs256 = (claims) => {
  const input = `${part({ alg: "RS256", typ: "JWT", kid: keyID })}.${part(claims)}`;
  return `${input}.${sign("sha256", input, privateKey).toString("base64url")}`;
};

const at = (time) => Number(seconds(time));

// The claims of a token that is the body, or the body that is to become one.
const claimsOf = (body) => (body.startsWith("{") ? body : Buffer.from(body.split(".")[1], "base64url").toString());

const snsFields = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

export default {
  livekit: ({ secret, body, time }) => ({
    header: { Authorization: hs256(secret, { iss: "APIexample", nbf: at(time), exp: at(time) + 300, sha256: digest("sha256", body, "base64") }) },
  }),

  messagebird: ({ secret, body, time, url, id }) => ({
    header: {
      "MessageBird-Signature-JWT": hs256(secret, {
        iss: "MessageBird",
        nbf: at(time),
        exp: at(time) + 60,
        jti: id,
        url_hash: digest("sha256", url, "hex"),
        payload_hash: digest("sha256", body, "hex"),
      }),
    },
  }),

  frontegg: ({ secret }) => ({ header: { "X-Webhook-Secret": hs256(secret, { exp: 1767225900 }) } }),
  gong: ({ body, url }) => ({
    header: { Authorization: rs256({ webhook_url: url, body_sha256: digest("sha256", body, "hex"), exp: 1767225900 }) },
  }),
  netlify: ({ secret, body }) => ({
    header: { "X-Webhook-Signature": hs256(secret, { iss: "netlify", sha256: digest("sha256", body, "hex") }) },
  }),

  vonage: ({ secret, body, time }) => ({
    header: {
      Authorization: `Bearer ${hs256(secret, { iss: "Vonage", api_key: "a1b2c3d4", iat: at(time), jti: "example", payload_hash: digest("sha256", body, "hex") })}`,
    },
  }),

  monday: ({ secret, time, url }) => ({
    header: { Authorization: hs256(secret, { accountId: 1, userId: 2, aud: url, iat: at(time), exp: at(time) + 300 }) },
  }),

  fusionauth: ({ secret, body }) => ({
    header: { "X-FusionAuth-Signature-JWT": hs256(secret, { request_body_sha256: digest("sha256", body, "base64") }) },
  }),

  "fusionauth-jwks": ({ body }) => ({
    header: { "X-FusionAuth-Signature-JWT": rs256({ request_body_sha256: digest("sha256", body, "base64") }) },
  }),

  dialpad: ({ secret, body }) => ({ body: hs256(secret, claimsOf(body)) }),

  wix: ({ body }) => ({ body: rs256(claimsOf(body)) }),

  kinde: ({ body }) => ({ body: rs256(claimsOf(body)) }),

  "google-pubsub": ({ time }) => ({
    header: {
      Authorization: `Bearer ${rs256({
        aud: "https://hooks.example.com/pubsub",
        email: "push@example-project.iam.gserviceaccount.com",
        email_verified: true,
        iat: at(time),
        exp: at(time) + 3600,
        iss: "https://accounts.google.com",
      })}`,
    },
  }),

  "aws-sns": ({ body }) => {
    const { Signature, ...message } = JSON.parse(body);
    const text = snsFields.filter((name) => name in message && (name !== "SubscribeURL" || message.Type !== "Notification"));
    const signed = text.map((name) => `${name}\n${message[name]}\n`).join("");
    const digestName = message.SignatureVersion === "1" ? "sha1" : "sha256";
    return { body: JSON.stringify({ ...message, Signature: sign(digestName, signed, privateKey).toString("base64") }) };
  },

  fireblocks: ({ body }) => {
    const head = part({ alg: "RS512", kid: keyID });
    const signature = sign("sha512", `${head}.${part(body)}`, privateKey).toString("base64url");
    return { header: { "Fireblocks-Webhook-Signature": `${head}..${signature}` } };
  },

  shipstation: ({ body, time }) => {
    const stamp = time.toISOString();
    return {
      header: {
        "x-shipengine-rsa-sha256-key-id": keyID,
        "x-shipengine-rsa-sha256-signature": sign("sha256", `${stamp}.${body}`, privateKey).toString("base64"),
        "x-shipengine-timestamp": stamp,
      },
    };
  },

  // Of the form, the text of one field is signed.
  "travis-ci": ({ body }) => ({
    header: { Signature: sign("sha1", new URLSearchParams(body).get("payload"), privateKey).toString("base64") },
  }),

  paypal: ({ body, header }) => {
    const field = (name) => header[`PAYPAL-${name}`];
    const text = `${field("TRANSMISSION-ID")}|${field("TRANSMISSION-TIME")}|8PT597110X687430LKGECATA|${crc32(body)}`;
    return { header: { "PAYPAL-TRANSMISSION-SIG": sign("sha256", text, privateKey).toString("base64") } };
  },
};

if (process.argv[1] === import.meta.filename) {
  console.log(keySet());
  console.log(createPublicKey(privateKey).export({ format: "pem", type: "spki" }));
}
