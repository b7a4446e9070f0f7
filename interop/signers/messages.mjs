// Providers that sign by RFC 9421, with the keys that it shows in section B.1:
// those of real ones are theirs alone.

import { createHash, createPrivateKey, sign } from "node:crypto";

import { hmac, seconds } from "./helpers/signing.mjs";

const sharedSecret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
const publicKey = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
const privateKey = createPrivateKey({
  format: "jwk",
  key: {
    kty: "OKP",
    crv: "Ed25519",
    d: "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU",
    x: "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs",
  },
});

const shared = { secret: sharedSecret, sign: (base) => hmac("sha256", Buffer.from(sharedSecret, "base64"), base, "base64") };
const ed25519 = { secret: publicKey, sign: (base) => sign(null, Buffer.from(base), privateKey).toString("base64") };

const derived = {
  "@method": ({ method }) => method,
  "@target-uri": ({ url }) => url,
  "@authority": ({ url }) => new URL(url).host,
  "@path": ({ url }) => new URL(url).pathname,
  "@query": ({ url }) => new URL(url).search || "?",
};

// What the components are, how the body is digested, and what else the signature says.
function message(key, label, algorithm, components, parameters) {
  return (delivery) => {
    if (delivery.secret.trim() !== key.secret) {
      throw new Error(`the secret must be ${JSON.stringify(key.secret)}`);
    }
    const digest = createHash(algorithm.replace("-", "")).update(delivery.body).digest("base64");
    const header = { ...delivery.header, "Content-Digest": `${algorithm}=:${digest}:` };
    const fields = Object.fromEntries(Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]));
    const input = `(${components.map((name) => `"${name}"`).join(" ")})${parameters(delivery)}`;
    const lines = components.map((name) => `"${name}": ${derived[name]?.(delivery) ?? fields[name]}`);
    const signature = key.sign([...lines, `"@signature-params": ${input}`].join("\n"));
    return {
      header: {
        "Content-Digest": header["Content-Digest"],
        "Signature-Input": `${label}=${input}`,
        Signature: `${label}=:${signature}:`,
      },
    };
  };
}

const created = ({ time }) => `;created=${seconds(time)}`;

export default {
  "http-message-signatures": message(
    shared,
    "sig1",
    "sha-256",
    ["@method", "@target-uri", "content-type", "content-digest"],
    (delivery) => `${created(delivery)};keyid="test-shared-secret";alg="hmac-sha256"`,
  ),
  "http-message-signatures-asymmetric": message(
    ed25519,
    "sig1",
    "sha-512",
    ["@method", "@authority", "@path", "@query", "content-digest"],
    (delivery) => `${created(delivery)};nonce="n-1";keyid="test-key-ed25519"`,
  ),
  accessowl: message(
    ed25519,
    "sig",
    "sha-512",
    ["@target-uri", "content-digest", "content-type", "idempotency-key"],
    (delivery) => `${created(delivery)};keyid="whsec_abc123"`,
  ),
  ucp: message(
    ed25519,
    "sig1",
    "sha-256",
    ["@method", "@authority", "@path", "content-digest", "content-type"],
    () => ';keyid="merchant-2026"',
  ),
};
