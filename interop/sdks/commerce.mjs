// Payments, finance and commerce.

import { createRequire } from "node:module";

import { seconds } from "./helpers.mjs";

// A package is loaded when its provider comes up: all of them take long.
const require = createRequire(import.meta.url);

export default {
  adyen: {
    secrets: [
      "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
      "55782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
    ],
    body: (note, { id, event }) => notification({
      pspReference: id,
      merchantAccountCode: "TestMerchant",
      merchantReference: note,
      amount: { value: 1130, currency: "EUR" },
      eventCode: event,
      success: "true",
    }),
    sign({ secret, body }) {
      const item = JSON.parse(body).notificationItems[0].NotificationRequestItem;
      item.additionalData = { hmacSignature: adyenValidator().calculateHmac(item, secret) };
      return { body: notification(item) };
    },
    verify: ({ secret, body }) =>
      adyenValidator().validateHMAC(JSON.parse(body).notificationItems[0].NotificationRequestItem, secret),
  },

  "adyen-platform": {
    secrets: [
      "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
      "55782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
    ],
    verify: ({ secret, body, header }) => adyenValidator().validateHMACSignature(secret, header.hmacsignature, body),
  },

  braintree: {
    with: { public_key: "4jkv2hvq8xn6s9dp" },
    ageless: true,
    body: (note) => new URLSearchParams({ bt_payload: "note" + Buffer.from(note).toString("base64") }).toString(),
    sign({ secret, body }) {
      const { Digest } = require("braintree/lib/braintree/digest");
      const signature = Digest.Sha1hexdigest(secret, new URLSearchParams(body).get("bt_payload"));
      return { body: `${body}&${new URLSearchParams({ bt_signature: `4jkv2hvq8xn6s9dp|${signature}` })}` };
    },
    verify({ secret, body }) {
      const { BraintreeGateway, Environment } = require("braintree");
      const gateway = new BraintreeGateway({
        environment: Environment.Sandbox,
        merchantId: "unused",
        publicKey: "4jkv2hvq8xn6s9dp",
        privateKey: secret,
      });
      const form = new URLSearchParams(body);
      const refusal = gateway.webhookNotification.validateSignature(form.get("bt_signature"), form.get("bt_payload"));
      if (refusal) throw refusal;
    },
  },

  cashfree: {
    ageless: true,
    verify({ secret, body, header }) {
      const { Cashfree, CFEnvironment } = require("cashfree-pg");
      new Cashfree(CFEnvironment.SANDBOX, "unused", secret).PGVerifyWebhookSignature(
        header["x-webhook-signature"],
        body,
        header["x-webhook-timestamp"],
      );
    },
  },

  chargebee: {
    secrets: ["hookpass:a-password-of-an-example", "hookpass:another-password-of-it"],
    async verify({ secret, header }) {
      const { basicAuthValidator } = require("chargebee");
      const [username, password] = secret.split(":");
      await basicAuthValidator((name, word) => name === username && word === password)(header);
    },
  },

  "coinbase-commerce": {
    body: (note, { id, event }) => JSON.stringify({ id, event: { id, type: event, note } }),
    verify: ({ secret, body, header }) =>
      void require("coinbase-commerce-node").Webhook.verifyEventBody(body, header["x-cc-webhook-signature"], secret),
  },

  dodopayments: {
    async verify({ secret, body, header }) {
      const { default: DodoPayments } = await import("dodopayments");
      new DodoPayments({ bearerToken: "unused" }).webhooks.unwrap(body, { headers: header, key: secret });
    },
  },

  easypost: {
    verify({ secret, body, header }) {
      const EasyPost = require("@easypost/api");
      new EasyPost("unused").Utils.validateWebhook(body, header, secret);
    },
  },

  finch: {
    async verify({ secret, body, header }) {
      const { default: Finch } = await import("@tryfinch/finch-api");
      new Finch({ accessToken: "unused" }).webhooks.verifySignature(body, header, secret);
    },
  },

  gocardless: {
    verify: ({ secret, body, header }) =>
      require("gocardless-nodejs/webhooks").verifySignature(body, secret, header["webhook-signature"]),
  },

  increase: {
    async verify({ secret, body, header }) {
      const { default: Increase } = await import("increase");
      new Increase({ apiKey: "unused" }).events.unwrap(body, { headers: header, key: secret });
    },
  },

  lithic: {
    async verify({ secret, body, header }) {
      const { default: Lithic } = await import("lithic");
      new Lithic({ apiKey: "unused" }).webhooks.verifySignature(body, header, secret);
    },
  },

  // Its webhooks sign the id in the query; the body is to say the same.
  mercadopago: {
    url: (note) => `https://hooks.example.com/in?data.id=${encodeURIComponent(note)}&type=payment`,
    header: { "X-Request-Id": "bb56a2f1-6aae-46ac-982e-9dcd3581d08e" },
    body: (note, { id, event }) => JSON.stringify({ id, type: "payment", action: event, data: { id: note } }),
    verify({ secret, body, header }) {
      const { WebhookSignatureValidator } = require("mercadopago");
      WebhookSignatureValidator.validate({
        secret,
        xSignature: header["x-signature"],
        xRequestId: header["x-request-id"],
        dataId: JSON.parse(body).data.id,
        toleranceSeconds: 300,
      });
    },
  },

  "modern-treasury": {
    async sign({ secret, body }) {
      return { header: { "X-Signature": (await modernTreasury()).webhooks.getSignature(body, { key: secret }) } };
    },
    verify: async ({ secret, body, header }) =>
      (await modernTreasury()).webhooks.validateSignature(body, header, { key: secret }),
  },

  mollie: {
    async sign({ secret, body }) {
      const { SignatureValidator } = require("mollie-api-typescript");
      return { header: { "X-Mollie-Signature": "sha256=" + (await SignatureValidator.createSignature(body, secret)) } };
    },
    verify({ secret, body, header }) {
      const { SignatureValidator } = require("mollie-api-typescript");
      return SignatureValidator.validate(body, secret, header["x-mollie-signature"]);
    },
  },

  orb: {
    async sign({ secret, body, time }) {
      const timestamp = new Date(time).toISOString().replace("Z", ""); // as Orb writes it
      return {
        header: {
          "X-Orb-Timestamp": timestamp,
          "X-Orb-Signature": (await orb()).webhooks.signPayload(body, { timestamp, secret }),
        },
      };
    },
    verify: async ({ secret, body, header }) => (await orb()).webhooks.verifySignature(body, header, secret),
  },

  paddle: {
    verify({ secret, body, header }) {
      const { Paddle } = require("@paddle/paddle-node-sdk");
      return new Paddle("unused").webhooks.isSignatureValid(body, secret, header["paddle-signature"]);
    },
  },

  polar: {
    async verify({ secret, body, header }) {
      const { validateEvent } = await import("@polar-sh/sdk/webhooks.js");
      try {
        validateEvent(body, header, secret);
      } catch (error) {
        if (error.name !== "SDKValidationError") throw error; // the event is not one of Polar's, but genuine
      }
    },
  },

  razorpay: {
    verify: ({ secret, body, header }) =>
      require("razorpay").validateWebhookSignature(body, header["x-razorpay-signature"], secret),
  },

  shopify: {
    header: { "X-Shopify-Shop-Domain": "test.myshopify.com", "X-Shopify-API-Version": "2026-07" },
    async verify({ secret, body, header }) {
      await import("@shopify/shopify-api/adapters/node");
      const { ApiVersion, shopifyApi } = await import("@shopify/shopify-api");
      const shopify = shopifyApi({
        apiKey: "unused",
        apiSecretKey: secret,
        apiVersion: ApiVersion.July26,
        hostName: "app.example.com",
        isEmbeddedApp: false,
        logger: { log: () => {} },
      });
      const result = await shopify.webhooks.validate({ rawBody: body, rawRequest: { method: "POST", url: "/", headers: header } });
      return result.valid;
    },
  },

  solidgate: {
    with: { public_key: "wh_pk_example" },
    sign: ({ secret, body }) => ({ header: { Signature: solidgateSignature(secret, body), Merchant: "wh_pk_example" } }),
    verify: ({ secret, body, header }) => header.signature === solidgateSignature(secret, body),
  },

  square: {
    verify: ({ secret, url, body, header }) =>
      require("square").WebhooksHelper.verifySignature({
        requestBody: body,
        signatureHeader: header["x-square-hmacsha256-signature"],
        signatureKey: secret,
        notificationUrl: url,
      }),
  },

  stripe: {
    sign: ({ secret, body, time }) => ({
      header: {
        "Stripe-Signature": stripe().webhooks.generateTestHeaderString({ secret, payload: body, timestamp: seconds(time) }),
      },
    }),
    verify: ({ secret, body, header }) =>
      void stripe().webhooks.constructEvent(body, header["stripe-signature"], secret),
  },

  unit: {
    verify({ secret, body, header }) {
      const { Unit } = require("@unit-finance/unit-node-sdk");
      return new Unit("unused", "https://api.example.com").webhooks.verify(header["x-unit-signature"], secret, JSON.parse(body));
    },
  },

  worldline: {
    header: { "X-GCS-KeyId": "example-key" },
    async verify({ secret, body, header }) {
      const { newSignatureValidator } = require("connect-sdk-nodejs/lib/webhooks/validation");
      await newSignatureValidator({ getSecretKey: async () => secret }).validate(body, header);
    },
  },
};

function notification(item) {
  return JSON.stringify({ live: "false", notificationItems: [{ NotificationRequestItem: item }] });
}

function adyenValidator() {
  const { hmacValidator: HmacValidator } = require("@adyen/api-library");
  return new HmacValidator();
}

async function modernTreasury() {
  const { default: ModernTreasury } = await import("modern-treasury");
  return new ModernTreasury({ apiKey: "unused", organizationID: "unused" });
}

async function orb() {
  const { default: Orb } = await import("orb-billing");
  return new Orb({ apiKey: "unused" });
}

function stripe() {
  const Stripe = require("stripe");
  return new Stripe("sk_test_unused");
}

function solidgateSignature(secret, body) {
  const Api = require("@solidgate/node-sdk/src/api");
  return new Api("wh_pk_example", secret)._generateSignature(body);
}
