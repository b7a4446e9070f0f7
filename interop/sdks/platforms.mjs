// Developer tools, infrastructure, identity, content and AI.

import { createPublicKey } from "node:crypto";
import { createRequire } from "node:module";

import { ed25519Keys, library, request, seconds } from "./helpers.mjs";

const require = createRequire(import.meta.url);

export default {
  anthropic: {
    async verify({ secret, body, header }) {
      const { default: Anthropic } = await import("@anthropic-ai/sdk");
      new Anthropic({ apiKey: "unused" }).beta.webhooks.unwrap(body, { headers: header, key: secret });
    },
  },

  box: {
    header: { "BOX-SIGNATURE-VERSION": "1", "BOX-SIGNATURE-ALGORITHM": "HmacSHA256" },
    verify: ({ secret, body, header }) =>
      require("box-node-sdk/lib/managers/webhooks").WebhooksManager.validateMessage(body, header, secret, { maxAge: 600 }),
  },

  clerk: {
    async verify({ secret, ...delivery }) {
      const { verifyWebhook } = await import("@clerk/backend/webhooks");
      await verifyWebhook(request(delivery), { signingSecret: secret });
    },
  },

  cloudinary: cloudinary("sha1"),

  "cloudinary-sha256": cloudinary("sha256"),

  elevenlabs: {
    async verify({ secret, body, header }) {
      const { ElevenLabsClient } = require("@elevenlabs/elevenlabs-js");
      await new ElevenLabsClient({ apiKey: "unused" }).webhooks.constructEvent(body, header["elevenlabs-signature"], secret);
    },
  },

  github: {
    async sign({ secret, body }) {
      const { sign } = await import("@octokit/webhooks-methods");
      return { header: { "X-Hub-Signature-256": await sign(secret, body), "X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1" } };
    },
    async verify({ secret, body, header }) {
      const { verify } = await import("@octokit/webhooks-methods");
      return verify(secret, body, header["x-hub-signature-256"]);
    },
  },

  hookdeck: {
    async verify({ secret, body, header }) {
      const { verifyWebhookSignature } = require("@hookdeck/sdk/webhooks/helpers");
      const result = await verifyWebhookSignature({ headers: header, rawBody: body, signingSecret: secret });
      return result.isValidSignature;
    },
  },

  // A library that senders and receivers by RFC 9421 use, and one for Content-Digest.
  "http-message-signatures": httpMessages("hmac-sha256", {
    signer: ({ secret }) => Buffer.from(secret, "base64"),
    verifier: (secret) => Buffer.from(secret, "base64"),
  }),

  "http-message-signatures-asymmetric": {
    keys: () => ed25519Keys("base64url"),
    ...httpMessages("ed25519", {
      signer: ({ key }) => key,
      verifier: (x) => createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } }),
    }),
  },

  hygraph: {
    ageless: true,
    sign({ secret, body, time }) {
      const { now } = Date;
      Date.now = () => Date.parse(time); // the SDK always signs the present time
      try {
        return { header: { "gcms-signature": require("@hygraph/utils").generateWebhookSignature({ rawPayload: body, secret }) } };
      } finally {
        Date.now = now;
      }
    },
    verify: ({ secret, body, header }) =>
      require("@hygraph/utils").verifyWebhookSignature({ rawPayload: body, signature: header["gcms-signature"], secret }),
  },

  imagekit: {
    async verify({ secret, body, header }) {
      const { default: ImageKit } = await import("@imagekit/nodejs");
      new ImageKit({ privateKey: "unused" }).webhooks.unwrap(body, { headers: header, key: secret });
    },
  },

  linear: {
    body: (note, { event, time }) => JSON.stringify({ type: event, note, webhookTimestamp: Date.parse(time) }),
    verify({ secret, body, header }) {
      const { LinearWebhookClient } = require("@linear/sdk/webhooks");
      return new LinearWebhookClient(secret).verify(Buffer.from(body), header["linear-signature"]);
    },
  },

  liveblocks: {
    secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_YW5vdGhlciBzZWNyZXQgYW5vdGhlciBz"],
    body: (note) => JSON.stringify({ type: "userEntered", data: { note } }),
    verify({ secret, body, header }) {
      const { WebhookHandler } = require("@liveblocks/node");
      new WebhookHandler(secret).verifyRequest({ headers: header, rawBody: body });
    },
  },

  mux: {
    async verify({ secret, body, header }) {
      const { default: Mux } = await import("@mux/mux-node");
      await new Mux({ tokenId: "unused", tokenSecret: "unused" }).webhooks.verifySignature(body, header, secret);
    },
  },

  notion: {
    sign: async ({ secret, body }) => ({
      header: {
        "X-Notion-Signature": await require("@notionhq/client").signWebhookPayload({ body, verificationToken: secret }),
      },
    }),
    verify: ({ secret, body, header }) =>
      require("@notionhq/client").verifyWebhookSignature({
        body,
        signature: header["x-notion-signature"],
        verificationToken: secret,
      }),
  },

  onfido: {
    verify({ secret, body, header }) {
      const { WebhookEventVerifier } = require("@onfido/api");
      new WebhookEventVerifier(secret).readPayload(body, header["x-sha2-signature"]);
    },
  },

  openai: {
    async verify({ secret, body, header }) {
      const { default: OpenAI } = await import("openai");
      await new OpenAI({ apiKey: "unused" }).webhooks.verifySignature(body, header, secret);
    },
    secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_YW5vdGhlciBzZWNyZXQgYW5vdGhlciBz"],
  },

  pusher: {
    header: { "X-Pusher-Key": "example-key" },
    body: (note, { event, time }) => JSON.stringify({ time_ms: Date.parse(time), events: [{ name: event, note }] }),
    sign: ({ secret, body }) => ({
      header: { "X-Pusher-Signature": new (require("pusher").Token)("example-key", secret).sign(body) },
    }),
    ageless: true,
    verify({ secret, body, header }) {
      const Pusher = require("pusher");
      const pusher = new Pusher({ appId: "1", key: "example-key", secret, cluster: "eu" });
      return pusher.webhook({ headers: header, rawBody: body }).isValid();
    },
  },

  // Its example receiver uses the library of Standard Webhooks.
  render: library("standardwebhooks"),

  replicate: {
    ageless: true,
    verify: ({ secret, body, header }) => require("replicate").validateWebhook({ headers: header, body }, secret),
  },

  retell: {
    async sign({ secret, body, time }) {
      const { symmetric } = await import("retell-sdk/lib/webhook_auth.mjs");
      return { header: { "X-Retell-Signature": await symmetric.sign(body, secret, Date.parse(time)) } };
    },
    async verify({ secret, body, header }) {
      const { default: Retell } = await import("retell-sdk");
      return Retell.verify(body, secret, header["x-retell-signature"]);
    },
  },

  sanity: {
    ageless: true,
    async sign({ secret, body, time }) {
      const { encodeSignatureHeader } = await import("@sanity/webhook");
      return { header: { "Sanity-Webhook-Signature": await encodeSignatureHeader(body, Date.parse(time), secret) } };
    },
    async verify({ secret, body, header }) {
      const { assertValidRequest } = await import("@sanity/webhook");
      await assertValidRequest({ headers: header, body }, secret);
    },
  },

  "standard-webhooks": library("standardwebhooks"),

  // Its documentation has receivers use the library of Standard Webhooks.
  "supabase-auth-hooks": {
    ...library("standardwebhooks", "webhook", (secret) => secret.replace("v1,whsec_", "")),
    secrets: ["v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,whsec_YW5vdGhlciBzZWNyZXQgYW5vdGhlciBz"],
  },

  svix: library("svix", "svix"),

  "trigger-dev": {
    async verify({ secret, ...delivery }) {
      const { webhooks } = require("@trigger.dev/sdk");
      try {
        await webhooks.constructEvent(request(delivery), secret);
      } catch (error) {
        if (!error.message.startsWith("Webhook parsing failed")) throw error; // it is not one of Trigger.dev's, but genuine
      }
    },
  },

  webflow: {
    ageless: true,
    async verify({ secret, body, header }) {
      const { WebflowClient } = require("webflow-api");
      return new WebflowClient({ accessToken: "unused" }).webhooks.verifySignature({ headers: header, body, secret });
    },
  },

  workos: {
    async verify({ secret, body, header }) {
      const { WorkOS } = require("@workos-inc/node");
      return new WorkOS("unused", { clientId: "unused" }).webhooks.verifyHeader({
        payload: JSON.parse(body),
        sigHeader: header["workos-signature"],
        secret,
      });
    },
  },
};

function cloudinary(algorithm) {
  return {
    verify({ secret, body, header }) {
      const { v2 } = require("cloudinary");
      v2.config({ api_secret: secret, signature_algorithm: algorithm });
      return v2.utils.verifyNotificationSignature(body, Number(header["x-cld-timestamp"]), header["x-cld-signature"]);
    },
  };
}

function httpMessages(algorithm, { signer, verifier }) {
  const { httpbis, createSigner, createVerifier } = require("http-message-signatures");
  const { createContentDigestHeader, verifyContentDigest } = require("httpbis-digest-headers");
  const fields = ["@authority", "@path", "content-digest"];
  return {
    async sign({ url, header, body, time, ...keys }) {
      const { headers } = await httpbis.signMessage(
        { key: createSigner(signer(keys), algorithm, "key-1"), fields: ["@method", "content-type", ...fields], paramValues: { created: new Date(time) } },
        { method: "POST", url, headers: { ...header, "Content-Digest": createContentDigestHeader(body, ["sha-256"]) } },
      );
      return { header: headers };
    },
    async verify({ secret, method, url, header, body }) {
      const proven = await httpbis.verifyMessage(
        {
          keyLookup: async () => ({ algs: [algorithm], verify: createVerifier(verifier(secret), algorithm) }),
          requiredFields: fields,
          requiredParams: ["created"],
          maxAge: 300,
        },
        { method, url, headers: header },
      );
      return proven === true && verifyContentDigest(body, header["content-digest"]);
    },
  };
}
