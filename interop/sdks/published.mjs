// Providers that publish the keys by which they sign. What verifies is what they
// publish.

import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";

import { ecdsaKeys, ed25519Keys, signWith } from "./helpers.mjs";

const require = createRequire(import.meta.url);

const keyID = "45fc75cf-5649-4134-84b3-192c2c78e990";

export default {
  ebay: {
    with: {
      client_id: "example",
      client_secret: "example",
      endpoint: "https://hooks.example.com/in",
      host: "api.ebay.com",
      verification_token: "an-example-of-a-token-of-40-characters-x",
    },
    keys() {
      const { secret, key } = ecdsaKeys();
      return { secret: JSON.stringify({ key: `-----BEGIN PUBLIC KEY-----${secret}-----END PUBLIC KEY-----` }), key };
    },
    body: (note, { id, event }) =>
      JSON.stringify({ metadata: { topic: event }, notification: { notificationId: id, data: { note } } }),
    sign({ key, body }) {
      const signature = signWith("sha1", key, body, "base64");
      const header = JSON.stringify({ alg: "ecdsa", kid: keyID, signature, digest: "SHA1" });
      return { header: { "X-EBAY-SIGNATURE": Buffer.from(header).toString("base64") } };
    },
    async verify({ secret, body, header }) {
      const client = require("event-notification-nodejs-sdk/lib/client");
      const { validateSignature } = require("event-notification-nodejs-sdk/lib/validator");
      client.getPublicKey = async () => JSON.parse(secret); // what eBay's API answers
      return validateSignature(JSON.parse(body), header["x-ebay-signature"], {});
    },
  },

  truelayer: {
    with: { host: "webhooks.truelayer.com" },
    keys() {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-521" });
      return {
        secret: JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: keyID, alg: "ES512" }] }),
        key: privateKey.export({ format: "pem", type: "pkcs8" }),
      };
    },
    // The SDK signs what TrueLayer's customers send, which lacks the URL of the keys.
    sign({ key, url, header, body, time }) {
      const stamp = `${time.slice(0, 19)}Z`;
      const part = (text) => Buffer.from(text).toString("base64url");
      const head = part(
        JSON.stringify({
          alg: "ES512",
          kid: keyID,
          tl_version: "2",
          tl_headers: "X-Tl-Webhook-Timestamp,Content-Type",
          jku: "https://webhooks.truelayer.com/.well-known/jwks",
        }),
      );
      const lines = `X-Tl-Webhook-Timestamp: ${stamp}\nContent-Type: ${header["Content-Type"]}\n`;
      const payload = `POST ${new URL(url).pathname}\n${lines}${body}`;
      const signature = signWith("sha512", { key, dsaEncoding: "ieee-p1363" }, `${head}.${part(payload)}`, "base64url");
      return { header: { "X-Tl-Webhook-Timestamp": stamp, "Tl-Signature": `${head}..${signature}` } };
    },
    ageless: true,
    verify({ secret, method, url, body, header }) {
      require("truelayer-signing").verify({
        jwks: secret,
        signature: header["tl-signature"],
        method,
        path: new URL(url).pathname,
        headers: header,
        requiredHeaders: ["X-Tl-Webhook-Timestamp"],
        body,
      });
    },
  },

  turnkey: {
    keys() {
      const { secret, key } = ed25519Keys("base64url");
      return { secret: JSON.stringify({ keys: [{ kty: "OKP", crv: "Ed25519", kid: keyID, x: secret }] }), key };
    },
    sign({ key, body, id, event, time }) {
      const stamp = Date.parse(time);
      return {
        header: {
          "X-Turnkey-Event-Id": id,
          "X-Turnkey-Event-Type": event,
          "X-Turnkey-Timestamp": String(stamp),
          "X-Turnkey-Signature-Key-Id": keyID,
          "X-Turnkey-Signature-Algorithm": "ed25519",
          "X-Turnkey-Signature-Version": "v1",
          "X-Turnkey-Signature": signWith(null, key, `v1.ed25519.${keyID}.${stamp}.${id}.${body}`, "hex"),
        },
      };
    },
    verify({ secret, body, header }) {
      const [{ x }] = JSON.parse(secret).keys;
      const result = require("@turnkey/crypto").verifyTurnkeyWebhookSignature({
        headers: header,
        body,
        verificationKeys: [{ keyId: keyID, publicKey: Buffer.from(x, "base64url").toString("hex"), algorithm: "ed25519" }],
        maxTimestampAgeMs: 300_000,
      });
      if (!result.ok) throw new Error(result.reason);
    },
  },
};
