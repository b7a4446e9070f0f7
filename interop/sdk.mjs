// Speaks for the providers' SDKs: each line of standard input is a task,
// {"sdk", "action": "sign" | "verify", "secret", "body", …}, and is answered by
// one line, {"header"} or {"error"}.

import { createHmac } from "node:crypto";
import { createInterface } from "node:readline";

import * as octokit from "@octokit/webhooks-methods";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import { verifySlackRequest } from "@slack/bolt";
import * as standardwebhooks from "standardwebhooks";
import Stripe from "stripe";
import * as svix from "svix";

const stripe = new Stripe("sk_test_unused");

const sdks = {
  stripe: {
    sign: ({ secret, body, timestamp }) => ({
      "Stripe-Signature": stripe.webhooks.generateTestHeaderString({ secret, payload: body, timestamp }),
    }),
    verify: ({ secret, body, header }) => stripe.webhooks.constructEvent(body, header["stripe-signature"], secret),
  },

  octokit: {
    sign: async ({ secret, body, id, event }) => ({
      "X-Hub-Signature-256": await octokit.sign(secret, body),
      "X-GitHub-Delivery": id,
      "X-GitHub-Event": event,
    }),
    async verify({ secret, body, header }) {
      refuseUnless(await octokit.verify(secret, body, header["x-hub-signature-256"]), "does not match");
    },
  },

  standardwebhooks: standard(standardwebhooks.Webhook),
  svix: standard(svix.Webhook),

  slack: {
    verify: ({ secret, body, header }) => verifySlackRequest({ signingSecret: secret, body, headers: header }),
  },

  shopify: {
    async verify({ secret, body, header }) {
      const shopify = shopifyApi({
        apiKey: "unused",
        apiSecretKey: secret,
        apiVersion: ApiVersion.July26,
        hostName: "app.example.com",
        isEmbeddedApp: false,
        logger: { log: () => {} },
      });
      const result = await shopify.webhooks.validate({
        rawBody: body,
        rawRequest: { method: "POST", url: "/", headers: header },
      });
      refuseUnless(result.valid, result.reason);
    },
  },

  // These two publish no SDK; this is what their documentation says.
  saltare: documented("X-Saltare-Signature", "sha256=", "X-Saltare-Timestamp", () => ({})),
  sally: documented("X-Sally-Signature", "", "X-Sally-Timestamp", ({ id, event }) => ({
    "X-Sally-Delivery": id,
    "X-Sally-Event": event,
  })),
};

function standard(Webhook) {
  return {
    sign: ({ secret, body, id, timestamp }) => ({
      "Webhook-Id": id,
      "Webhook-Timestamp": String(timestamp),
      "Webhook-Signature": new Webhook(secret).sign(id, new Date(timestamp * 1000), body),
    }),
    verify: ({ secret, body, header }) => new Webhook(secret).verify(body, header),
  };
}

function documented(signatureField, prefix, timestampField, furtherFields) {
  const signature = (secret, timestamp, body) =>
    prefix + createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  return {
    sign: ({ secret, body, timestamp, ...delivery }) => ({
      [signatureField]: signature(secret, timestamp, body),
      [timestampField]: String(timestamp),
      ...furtherFields(delivery),
    }),
    verify({ secret, body, header }) {
      const timestamp = header[timestampField.toLowerCase()];
      refuseUnless(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300, "is too old or too new");
      refuseUnless(header[signatureField.toLowerCase()] === signature(secret, timestamp, body), "does not match");
    },
  };
}

function refuseUnless(genuine, reason) {
  if (!genuine) {
    throw new Error(reason);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { sdk, action, ...task } = JSON.parse(line);
  let answer;
  try {
    const header = await sdks[sdk][action](task);
    answer = action === "sign" ? { header } : {};
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
}
