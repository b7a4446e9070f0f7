// Providers that sign with a private key. It is theirs alone, so that throw-away
// keys stand in for them here; the secret of a vector is the public one, or else
// that is what they publish.

import { constants, createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";

import { seconds } from "./helpers/signing.mjs";

// Ed25519: the private key is any 32 bytes, in PKCS #8 behind this beginning (RFC 8410).
function ed25519(provider, write, signed) {
  const seed = createHash("sha256").update(provider).digest();
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    format: "der",
    type: "pkcs8",
  });
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  return (delivery) => {
    expect(delivery.secret || delivery.keys, write(raw));
    return sign(null, Buffer.from(signed(delivery)), key);
  };
}

function rsa(write, options = {}) {
  const shown = write(createPublicKey(rsaKey));
  return ({ secret, body }, algorithm = "sha256") => {
    expect(secret, shown);
    return sign(algorithm, Buffer.from(body), { key: rsaKey, ...options });
  };
}

function expect(secret, shown) {
  if (secret.trim() !== shown.trim()) {
    throw new Error(`the secret must be ${JSON.stringify(shown)}`);
  }
}

const rsaKey = `
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCXB3zSZLyjLpYy
71wz95LCRNYrgwsNKFL1VZsgablGIupMzqARC1B1NWgHTXqMbGnnM5mdGcsT7u1o
6PmSPDs1m9nIc5ImWEv41EMqdmfCKetXWuGdPBnI0x8ObHFgGLkjDQCelxwOOV0y
6J3f1VS23J/HvbY1NfiM4HXV1kSQooNKK3qIuXdRi+EQ39WKrg3kHCHbLXSLV41E
04qnu8ZxqssVaIRsLX8FVp0hBYrBJoJfo1G3arxXccaG3j2jtQGzbGNMSqiiLZpo
WY6aKgnMV08Bz9qTEMAXk2hnEImQYhgygdtMd532Id8n0SkvwFlHUQKMn3pYoigp
8R12U+qBAgMBAAECggEABfz7g4IQAq5ZsTpRXxQdYwuErGP9P6/OHkEfLflTKcc/
n/z/Vr2qmoMcFVIKnl+8ETk4CYUYyrkJ+8NlBdnShS0hRPPkIxYUKRENerUIJygv
Vx7Y3DmiUhag4BsHocZJLO0aja8zIxM+MUMM42+bdMappStN+q0hpkBOG8Trogpn
5YlihurS0FXglqte4F77tW+ScafKkw5s5VtRionPKv1Rdnw0ynC9GcYlWH4KnMNi
LXiEc4rTSP96FuwFMqBGtt+9cK/8zYjkNLEDefJjpZDriowbNw+PA/BOJuowt5si
oG2yXU16ssaTzVZqTI/UC3589VrD6Dw8EYG3jQxPOQKBgQDTAzmPO3x2+qcv19U5
r2EQG4541xwKReJQzqIxDA9tJF0nnDJ6Ux2NY5+oi+LUvPKoSKs29RgD++j5UVnc
MQGJ81Ka3EwmpBovm2SI9DVNRbkMyyk5hoY9X+BXACyieGIiKqQvbFxqh8F84bsC
gGUin7EfLGGWOdTYBWsg7bT+ZQKBgQC3OnRmhLgHK7k0Msofv7q7ouRFC+0jQSwj
5x96oDhGHFdMTdiqhUglAf35sSA826mi7wzNEkr0Ri3o5xXuBPRCY00H4/UZqMn/
TxQJ8A4Yf0Whe+UQW7kNlFlbqcAgpgdTtyXCCse02/N20r/V5vUWs/xA++D2ZTqK
Pqbiy1Tb7QKBgHcUQs9Jypt6KA8fxfyftC7a3jPjcLd7aJQhh/YV0D7PXqKTywit
DuhTaC49gux7FJVTLQv+lGbrKjZIamWQYkXvQpaR64eC5CQplTqUVeAdkKhfngwQ
loDcMkXmm0m0leyiE7WPeTfFFLPczyRCQNChPdtRuGCGkk62ABa9Dn7hAoGAcMp8
EwvKGSfyN064m/izo4Pvjw17agNZf7Rr7VmpqocRujgFk1q+gYGLbWR62tvBvjn3
oFmNaHe3FTMDjeTg0+k65wuNusDrr81nIYLzumLGY1TYOkysSs6yfzmsuqxZwE/y
31MxgoUPh2rOiodFAjfDpeEnp6XC9o0AwIW4dDUCgYEAz6UbVmvRxnf8CMDV+QO4
DCcLDBGMKHWEyM3Pa4ce6oD0LW9Iuf0YWQR6B18uW5dfHCE76p0mPz0ptvv4RnNI
jZpTJPoU/KosbXUsTTmNnt18nh074fs9cvRncwg85dK/1pkJ4DADagq4VQgURS9l
fWFrAW08bapvauVPejlVlLs=
-----END PRIVATE KEY-----
`;

const discord = ed25519("discord", (raw) => raw.toString("hex"), ({ time, body }) => seconds(time) + body);
const discordHeader = (delivery) => ({
  header: {
    "X-Signature-Ed25519": discord(delivery).toString("hex"),
    "X-Signature-Timestamp": seconds(delivery.time),
  },
});

const telnyx = ed25519("telnyx", (raw) => raw.toString("base64"), ({ time, body }) => `${seconds(time)}|${body}`);

const standard = ed25519(
  "standard-webhooks-asymmetric",
  (raw) => `whpk_${raw.toString("base64")}`,
  ({ id, time, body }) => `${id}.${seconds(time)}.${body}`,
);

const tokenio = ed25519("tokenio", (raw) => raw.toString("base64url"), ({ body }) => body);

// A JWKS, RFC 8037.
const published = (raw) => JSON.stringify({ keys: [{ kty: "OKP", crv: "Ed25519", kid: "example-1", x: raw.toString("base64url") }] });

const fal = ed25519(
  "fal-ai",
  published,
  ({ id, time, body }) => `${id}\nuser-1\n${seconds(time)}\n${createHash("sha256").update(body).digest("hex")}`,
);

const turnkey = ed25519(
  "turnkey",
  published,
  ({ id, time, body }) => `v1.ed25519.example-1.${time.getTime()}.${id}.${body}`,
);

const coinbase = rsa((key) => key.export({ format: "pem", type: "spki" }));

// PHP's serialize of the other fields, of which the sample has text alone.
const paddle = rsa((key) => key.export({ format: "pem", type: "spki" }));
const serialized = (fields) => {
  const text = (value) => `s:${Buffer.byteLength(value)}:"${value}";`;
  return `a:${fields.length}:{${fields.map(([name, value]) => text(name) + text(value)).join("")}}`;
};

// A salt is drawn anew for each signature; none at all makes the vector one that
// can be computed again.
const contentstack = rsa((key) => key.export({ format: "pem", type: "pkcs1" }), {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: 0,
});

export default {
  discord: discordHeader,
  "discord-events": discordHeader,
  telnyx: (delivery) => ({
    header: {
      "Telnyx-Signature-Ed25519": telnyx(delivery).toString("base64"),
      "Telnyx-Timestamp": seconds(delivery.time),
    },
  }),
  "standard-webhooks-asymmetric": (delivery) => ({
    header: {
      "Webhook-Id": delivery.id,
      "Webhook-Timestamp": seconds(delivery.time),
      "Webhook-Signature": `v1a,${standard(delivery).toString("base64")}`,
    },
  }),
  "fal-ai": (delivery) => ({
    header: {
      "X-Fal-Webhook-Request-Id": delivery.id,
      "X-Fal-Webhook-User-Id": "user-1",
      "X-Fal-Webhook-Timestamp": seconds(delivery.time),
      "X-Fal-Webhook-Signature": fal(delivery).toString("hex"),
    },
  }),
  turnkey: (delivery) => ({
    header: {
      "X-Turnkey-Event-Id": delivery.id,
      "X-Turnkey-Timestamp": String(delivery.time.getTime()),
      "X-Turnkey-Signature-Key-Id": "example-1",
      "X-Turnkey-Signature": turnkey(delivery).toString("hex"),
    },
  }),
  tokenio: (delivery) => ({ header: { "Token-Signature": tokenio(delivery).toString("base64url") } }),
  "paddle-classic": ({ secret, body }) => {
    const fields = [...new URLSearchParams(body)].filter(([name]) => name !== "p_signature").sort();
    const signature = paddle({ secret, body: serialized(fields) }, "sha1").toString("base64");
    return { body: new URLSearchParams([...fields, ["p_signature", signature]]).toString() };
  },
  "coinbase-wallet": (delivery) => ({ header: { "CB-Signature": coinbase(delivery).toString("base64") } }),
  contentstack: (delivery) => ({
    header: { "X-Contentstack-Request-Signature": `v1=${contentstack(delivery).toString("base64")}` },
  }),
};
