// Providers of payments, commerce, finance and shipping.

import { createHash } from "node:crypto";

import { digest, hmac, milliseconds, seconds, standardWebhooks } from "./helpers/signing.mjs";

// Most sign nothing but the body, and differ in the digest and how it is written.
const body =
  (field, algorithm, encoding, prefix = "") =>
  (d) => ({ header: { [field]: prefix + hmac(algorithm, d.secret, d.body, encoding) } });

// Standard Webhooks under a secret that is used as its text, not as base64.
const standardText = (d) => standardWebhooks()({ ...d, secret: Buffer.from(d.secret).toString("base64") });

export default {
  airwallex: (d) => ({
    header: {
      "X-Timestamp": milliseconds(d.time),
      "X-Signature": hmac("sha256", d.secret, milliseconds(d.time) + d.body, "hex"),
    },
  }),
  aftership: body("Aftership-Hmac-Sha256", "sha256", "base64"),
  alchemy: body("X-Alchemy-Signature", "sha256", "hex"),
  "authorize-net": (d) => ({
    header: { "X-ANET-Signature": `sha512=${hmac("sha512", d.secret, d.body, "hex").toUpperCase()}` },
  }),
  bolt: body("X-Bolt-Hmac-Sha256", "sha256", "base64"),
  braintree({ secret, body, with: { public_key } }) {
    const key = createHash("sha1").update(secret).digest();
    const payload = new URLSearchParams(body).get("bt_payload");
    const form = { bt_signature: `${public_key}|${hmac("sha1", key, payload, "hex")}`, bt_payload: payload };
    return { body: new URLSearchParams(form).toString() };
  },
  brex: standardWebhooks(),
  cashfree: (d) => ({
    header: {
      "X-Webhook-Timestamp": milliseconds(d.time),
      "X-Webhook-Signature": hmac("sha256", d.secret, milliseconds(d.time) + d.body, "base64"),
    },
  }),
  chargify: body("X-Chargify-Webhook-Signature-Hmac-Sha-256", "sha256", "hex"),
  "checkout-com": body("Cko-Signature", "sha256", "hex"),
  "coinbase-commerce": body("X-CC-Webhook-Signature", "sha256", "hex"),
  "coinbase-cdp": (d) => {
    const at = seconds(d.time);
    const names = "x-event-id x-event-type";
    const v0 = hmac("sha256", d.secret, `${at}.${d.body}`, "hex");
    const fields = `${d.header["X-Event-Id"]}.${d.header["X-Event-Type"]}`;
    const v1 = hmac("sha256", d.secret, `${at}.${names}.${fields}.${d.body}`, "hex");
    return { header: { "X-Hook0-Signature": `t=${at},v0=${v0},h=${names},v1=${v1}` } };
  },
  column: body("Column-Signature", "sha256", "hex"),
  commercelayer: body("X-CommerceLayer-Signature", "sha256", "base64"),
  dodopayments: standardWebhooks(),
  dwolla: body("X-Request-Signature-SHA-256", "sha256", "hex"),
  easypost: (d) => ({
    header: { "X-Hmac-Signature": `hmac-sha256-hex=${hmac("sha256", d.secret.normalize("NFKD"), d.body, "hex")}` },
  }),
  fastspring: body("X-FS-Signature", "sha256", "base64"),
  flutterwave: body("Flutterwave-Signature", "sha256", "base64"),
  gocardless: body("Webhook-Signature", "sha256", "hex"),
  increase: standardText,
  lemonsqueezy: body("X-Signature", "sha256", "hex"),
  lithic: standardWebhooks(),
  marqeta: body("X-Marqeta-Signature", "sha1", "hex"),
  "modern-treasury": body("X-Signature", "sha256", "hex"),
  mercury({ secret, body, time }) {
    const signature = hmac("sha256", Buffer.from(secret, "base64"), `${seconds(time)}.${body}`, "hex");
    return { header: { "Mercury-Signature": `t=${seconds(time)},v1=${signature}` } };
  },
  mercadopago({ secret, url, time, header }) {
    const manifest = `id:${new URL(url).searchParams.get("data.id")};request-id:${header["X-Request-Id"]};ts:${seconds(time)};`;
    return { header: { "X-Signature": `ts=${seconds(time)},v1=${hmac("sha256", secret, manifest, "hex")}` } };
  },
  mollie: body("X-Mollie-Signature", "sha256", "hex", "sha256="),
  nmi: (d) => {
    const nonce = digest("md5", d.body, "hex").slice(0, 16); // of any form
    return { header: { "Webhook-Signature": `t=${nonce},s=${hmac("sha256", d.secret, `${nonce}.${d.body}`, "hex")}` } };
  },
  omise: (d) => {
    const key = Buffer.from(d.secret, "base64");
    return {
      header: {
        "Omise-Signature-Timestamp": seconds(d.time),
        "Omise-Signature": hmac("sha256", key, `${seconds(d.time)}.${d.body}`, "hex"),
      },
    };
  },
  paddle: (d) => {
    const at = seconds(d.time);
    return { header: { "Paddle-Signature": `ts=${at};h1=${hmac("sha256", d.secret, `${at}:${d.body}`, "hex")}` } };
  },
  paymob: (d) => {
    const o = JSON.parse(d.body).obj;
    const values = [
      o.amount_cents, o.created_at, o.currency, o.error_occured, o.has_parent_transaction, o.id, o.integration_id,
      o.is_3d_secure, o.is_auth, o.is_capture, o.is_refunded, o.is_standalone_payment, o.is_voided, o.order.id,
      o.owner, o.pending, o.source_data.pan, o.source_data.sub_type, o.source_data.type, o.success,
    ];
    return { query: { hmac: hmac("sha512", d.secret, values.map(String).join(""), "hex") } };
  },
  paystack: body("X-Paystack-Signature", "sha512", "hex"),
  persona: (d) => {
    const at = seconds(d.time);
    return { header: { "Persona-Signature": `t=${at},v1=${hmac("sha256", d.secret, `${at}.${d.body}`, "hex")}` } };
  },
  pinwheel: (d) => {
    const at = seconds(d.time);
    return { header: { "X-Timestamp": at, "X-Pinwheel-Signature": `v2=${hmac("sha256", d.secret, `v2:${at}:${d.body}`, "hex")}` } };
  },
  polar: standardText,
  quickbooks: body("Intuit-Signature", "sha256", "base64"),
  ramp: body("X-Ramp-Webhook-Signature", "sha256", "hex"),
  razorpay: body("X-Razorpay-Signature", "sha256", "hex"),
  recharge: (d) => {
    const at = seconds(d.time);
    return { header: { "X-Recharge-Webhook-Signature": `t=${at},v1=${hmac("sha256", d.secret, `${at}.${d.body}`, "hex")}` } };
  },
  recurly: (d) => {
    const at = milliseconds(d.time);
    return { header: { "Recurly-Signature": `${at},${hmac("sha256", d.secret, `${at}.${d.body}`, "hex")}` } };
  },
  revolut: (d) => {
    const at = milliseconds(d.time);
    return {
      header: { "Revolut-Request-Timestamp": at, "Revolut-Signature": `v1=${hmac("sha256", d.secret, `v1.${at}.${d.body}`, "hex")}` },
    };
  },
  shippo: (d) => {
    const at = seconds(d.time);
    return { header: { "Shippo-Auth-Signature": `t=${at},v1=${hmac("sha256", d.secret, `${at}.${d.body}`, "hex")}` } };
  },
  shopline: body("X-Shopline-Hmac-Sha256", "sha256", "base64"),
  "shopline-openapi"(d) {
    const sorted = (value) => {
      if (Array.isArray(value)) return value.map(sorted);
      if (value === null || typeof value !== "object") return value;
      return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
    };
    const message = `${seconds(d.time)}:${JSON.stringify(sorted(JSON.parse(d.body)))}`;
    return {
      header: { "X-Shopline-Developer-Event-Timestamp": seconds(d.time) },
      query: { sign: hmac("sha256", d.secret, message, "hex") },
    };
  },
  solidgate: (d) => {
    const message = d.with.public_key + d.body + d.with.public_key;
    return { header: { Signature: Buffer.from(hmac("sha512", d.secret, message, "hex")).toString("base64") } };
  },
  square: (d) => ({ header: { "X-Square-Hmacsha256-Signature": hmac("sha256", d.secret, d.url + d.body, "base64") } }),
  synctera: (d) => {
    const at = seconds(d.time);
    return { header: { "Request-Timestamp": at, "Synctera-Signature": hmac("sha256", d.secret, `${at}.${d.body}`, "hex") } };
  },
  tap: (d) => {
    const charge = JSON.parse(d.body);
    const message =
      `x_id${charge.id}x_amount${Number(charge.amount).toFixed(charge.currency === "KWD" ? 3 : 2)}x_currency${charge.currency}` +
      `x_gateway_reference${charge.reference.gateway}x_payment_reference${charge.reference.payment}` +
      `x_status${charge.status}x_created${charge.transaction.created}`;
    return { header: { hashstring: hmac("sha256", d.secret, message, "hex") } };
  },
  tebex: (d) => ({ header: { "X-Signature": hmac("sha256", d.secret, digest("sha256", d.body, "hex"), "hex") } }),
  treezor({ secret, body }) {
    // As PHP's json_encode does by default.
    const payload = JSON.stringify(JSON.parse(body).object_payload)
      .replaceAll("/", "\\/")
      .replace(/[\u0080-\uffff]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
    const signature = hmac("sha256", secret, payload, "base64");
    return { body: body.replace(/(?<="object_payload_signature":")[^"]*/, signature) };
  },
  unit: body("X-Unit-Signature", "sha1", "base64"),
  woocommerce: body("X-WC-Webhook-Signature", "sha256", "base64"),
  worldline: body("X-GCS-Signature", "sha256", "base64"),
  xero: body("X-Xero-Signature", "sha256", "base64"),
};
