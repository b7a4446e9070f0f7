// What several SDKs need.

import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

// A provider whose receivers use the library of Standard Webhooks, or of Svix,
// itself. The prefix is that of the header fields.
export function library(name, prefix = "webhook", key = (secret) => secret) {
  const webhook = (secret) => new (require(name).Webhook)(key(secret));
  return {
    sign: ({ secret, id, time, body }) => ({
      header: {
        [`${prefix}-id`]: id,
        [`${prefix}-timestamp`]: String(seconds(time)),
        [`${prefix}-signature`]: webhook(secret).sign(id, new Date(time), body),
      },
    }),
    verify: ({ secret, body, header }) => void webhook(secret).verify(body, header),
  };
}

export function seconds(time) {
  return Math.floor(Date.parse(time) / 1000);
}

// A delivery as what browsers and their like call a request.
export function request({ url, header, body }) {
  return new Request(url, { method: "POST", headers: header, body });
}

// A pair of keys: the public one raw, in the given encoding, or as SPKI.
export function ed25519Keys(encoding) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  return { secret: raw.toString(encoding), key: pem(privateKey) };
}

export function ecdsaKeys() {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { secret: publicKey.export({ format: "der", type: "spki" }).toString("base64"), key: pem(privateKey) };
}

function pem(privateKey) {
  return privateKey.export({ format: "pem", type: "pkcs8" });
}

// SDKs that verify by a public key cannot sign; this is the sender's part.
export function signWith(algorithm, key, text, encoding) {
  return sign(algorithm, Buffer.from(text), key).toString(encoding);
}

// A JWT; the SDKs that verify them do not make those of another time.
export function token(secret, claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
