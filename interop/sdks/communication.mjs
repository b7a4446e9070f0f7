// Messaging, voice, mail and customers.

import { createHash, createHmac, createSecretKey } from "node:crypto";
import { createRequire } from "node:module";

import { ecdsaKeys, ed25519Keys, seconds, signWith, token } from "./helpers.mjs";

const require = createRequire(import.meta.url);

const discord = {
  ageless: true,
  keys: () => ed25519Keys("hex"),
  sign({ key, body, time }) {
    const timestamp = String(seconds(time));
    return {
      header: {
        "X-Signature-Timestamp": timestamp,
        "X-Signature-Ed25519": signWith(null, key, timestamp + body, "hex"),
      },
    };
  },
  verify: ({ secret, body, header }) =>
    require("discord-interactions").verifyKey(body, header["x-signature-ed25519"], header["x-signature-timestamp"], secret),
};

export default {
  "dropbox-sign": {
    ageless: true,
    header: { "Content-Type": "multipart/form-data; boundary=boundary" },
    body: (note) => multipart({ event: { event_time: "", event_type: note, event_hash: "", event_metadata: {} } }),
    sign({ secret, time, body }) {
      const { event } = multipartJSON(body);
      event.event_time = String(seconds(time));
      event.event_hash = createHmac("sha256", secret).update(event.event_time + event.event_type).digest("hex");
      return { body: multipart({ event }) };
    },
    verify({ secret, body }) {
      const { EventCallbackHelper, EventCallbackRequest } = require("@dropbox/sign");
      return EventCallbackHelper.isValid(secret, EventCallbackRequest.init(multipartJSON(body)));
    },
  },

  crisp: {
    header: { "X-Crisp-Request-Timestamp": "1767225600000" },
    async verify({ secret, body, header }) {
      const { Crisp } = require("crisp-api");
      const crisp = new Crisp();
      crisp.setRtmMode(Crisp.RTM_MODES.WebHooks);
      await crisp.on("message:send", () => {});
      return crisp.verifyHook(secret, JSON.parse(body), header["x-crisp-request-timestamp"], header["x-crisp-signature"]);
    },
  },

  discord,

  "discord-events": discord,

  hubspot: hubspot("v3", "x-hubspot-signature-v3"),

  "hubspot-v1": hubspot("v1", "x-hubspot-signature"),

  "hubspot-v2": hubspot("v2", "x-hubspot-signature"),

  line: {
    verify: ({ secret, body, header }) => require("@line/bot-sdk").validateSignature(body, secret, header["x-line-signature"]),
  },

  livekit: {
    sign: ({ secret, body, time }) => ({
      header: {
        Authorization: token(secret, {
          iss: "example-key",
          nbf: seconds(time),
          exp: seconds(time) + 300,
          sha256: createHash("sha256").update(body).digest("base64"),
        }),
      },
    }),
    async verify({ secret, body, header }) {
      const { WebhookReceiver } = await import("livekit-server-sdk");
      await new WebhookReceiver("example-key", secret).receive(body, header.authorization);
    },
  },

  messagebird: {
    sign: ({ secret, id, url, body, time }) => ({
      header: {
        "MessageBird-Signature-JWT": token(secret, {
          iss: "MessageBird",
          nbf: seconds(time),
          exp: seconds(time) + 60,
          jti: id,
          url_hash: createHash("sha256").update(url).digest("hex"),
          payload_hash: createHash("sha256").update(body).digest("hex"),
        }),
      },
    }),
    async verify({ secret, url, body, header }) {
      const { verify } = require("messagebird/lib/webhook-signature-jwt");
      await verify(url, Buffer.from(body), header["messagebird-signature-jwt"], createSecretKey(Buffer.from(secret)));
    },
  },

  plain: {
    body: (note, { id, event, time }) =>
      JSON.stringify({ id, type: event, note, webhookMetadata: { webhookDeliveryAttemptTimestamp: time } }),
    ageless: true, // it is asked only of events that are in the SDK's schema
    verify({ secret, body, header }) {
      const { verifyPlainWebhook, PlainWebhookSignatureVerificationError } = require("@team-plain/typescript-sdk");
      const { error } = verifyPlainWebhook(body, header["plain-request-signature"], secret);
      return !(error instanceof PlainWebhookSignatureVerificationError);
    },
  },

  resend: {
    async verify({ secret, body, header }) {
      const { Resend } = require("resend");
      new Resend("re_unused").webhooks.verify({
        payload: body,
        headers: { id: header["svix-id"], timestamp: header["svix-timestamp"], signature: header["svix-signature"] },
        webhookSecret: secret,
      });
    },
  },

  sendgrid: {
    ageless: true,
    keys: ecdsaKeys,
    sign({ key, body, time }) {
      const timestamp = String(seconds(time));
      return {
        header: {
          "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
          "X-Twilio-Email-Event-Webhook-Signature": signWith("sha256", key, timestamp + body, "base64"),
        },
      };
    },
    verify({ secret, body, header }) {
      const { EventWebhook } = require("@sendgrid/eventwebhook");
      const webhook = new EventWebhook();
      return webhook.verifySignature(
        webhook.convertPublicKeyToECDSA(secret),
        body,
        header["x-twilio-email-event-webhook-signature"],
        header["x-twilio-email-event-webhook-timestamp"],
      );
    },
  },

  slack: {
    verify({ secret, body, header }) {
      const { verifySlackRequest } = require("@slack/bolt");
      verifySlackRequest({ signingSecret: secret, body, headers: header });
    },
  },

  stream: {
    verify({ secret, body, header }) {
      const { StreamChat } = require("stream-chat");
      return new StreamChat("unused", secret).verifyWebhook(Buffer.from(body), header["x-signature"]);
    },
  },

  telnyx: {
    keys: () => ed25519Keys("base64"),
    sign({ key, body, time }) {
      const timestamp = String(seconds(time));
      return {
        header: {
          "Telnyx-Timestamp": timestamp,
          "Telnyx-Signature-Ed25519": signWith(null, key, `${timestamp}|${body}`, "base64"),
        },
      };
    },
    async verify({ secret, body, header }) {
      const { default: Telnyx } = await import("telnyx");
      await new Telnyx({ apiKey: "unused", publicKey: secret }).webhooks.unwrap(body, { headers: header });
    },
  },

  twilio: {
    url: "https://hooks.example.com/in?account=1",
    header: { "Content-Type": "application/x-www-form-urlencoded" },
    body: (note, { id, event }) => new URLSearchParams({ note, MessageSid: id, MessageStatus: event }).toString(),
    sign: ({ secret, url, body }) => ({
      header: {
        "X-Twilio-Signature": require("twilio").getExpectedTwilioSignature(secret, url, Object.fromEntries(new URLSearchParams(body))),
      },
    }),
    verify: ({ secret, url, body, header }) =>
      require("twilio").validateRequest(secret, header["x-twilio-signature"], url, Object.fromEntries(new URLSearchParams(body))),
  },

  viber: {
    verify({ secret, body, header }) {
      const MessageValidator = require("viber-bot/lib/message/message-validator");
      return new MessageValidator({ debug() {} }, secret).validateMessage(header["x-viber-content-signature"], body);
    },
  },

  zoom: {
    ageless: true,
    body: (note, { event }) => JSON.stringify({ event, payload: { note } }),
    async verify({ secret, body, header }) {
      const { AwsLambdaReceiver } = require("@zoom/rivet/meetings");
      const { statusCode } = await new AwsLambdaReceiver({ webhooksSecretToken: secret }).start()({ body, headers: header });
      return statusCode === 200;
    },
  },
};

function hubspot(signatureVersion, field) {
  return {
    verify: ({ secret, url, method, body, header }) =>
      require("@hubspot/api-client").Signature.isValid({
        signatureVersion,
        signature: header[field],
        method,
        url,
        requestBody: body,
        timestamp: Number(header["x-hubspot-request-timestamp"]),
        clientSecret: secret,
      }),
  };
}

function multipart(json) {
  const disposition = 'Content-Disposition: form-data; name="json"';
  return `--boundary\r\n${disposition}\r\n\r\n${JSON.stringify(json)}\r\n--boundary--\r\n`;
}

function multipartJSON(body) {
  return JSON.parse(body.split("\r\n")[3]);
}
