// Providers of messaging, voice, mail, customer care, hiring, media and AI.

import { digest, hmac, milliseconds, seconds, standardWebhooks } from "./helpers/signing.mjs";

// The whole body, and nothing else, is signed.
const body =
  (field, algorithm, encoding, prefix = "") =>
  (d) => ({ header: { [field]: prefix + hmac(algorithm, d.secret, d.body, encoding) } });

// The time stands in a field of its own, and message joins it with the body.
const timed =
  (field, timeField, time, message, encoding = "hex", prefix = "") =>
  (d) => {
    const at = time(d.time);
    return {
      header: { [timeField]: at, [field]: prefix + hmac("sha256", d.secret, message(at, d.body), encoding) },
    };
  };

// The same, where hookpass knows nothing of the time, so that it is any header field.
const withField =
  (field, other, message) =>
  (d) => ({ header: { [field]: hmac("sha256", d.secret, message(d.header[other], d.body), "hex") } });

// Time and signature share a field, as Stripe introduced it.
const shared =
  (field, [timeName, name], time = seconds, message = (at, text) => `${at}.${text}`) =>
  (d) => {
    const at = time(d.time);
    return { header: { [field]: `${timeName}=${at},${name}=${hmac("sha256", d.secret, message(at, d.body), "hex")}` } };
  };

// The URL, then the decoded form fields by name: Twilio's way, and Mandrill's.
const urlAndForm = (field) => (d) => {
  const form = new URLSearchParams(d.body);
  let message = d.url;
  for (const name of [...new Set(form.keys())].sort()) {
    for (const value of [...new Set(form.getAll(name))].sort()) {
      message += name + value;
    }
  }
  return { header: { [field]: hmac("sha1", d.secret, message, "base64") } };
};

const meta = body("X-Hub-Signature-256", "sha256", "hex", "sha256=");

export default {
  courier({ secret, body, time }) {
    const signature = hmac("sha256", secret, `${milliseconds(time)}.${body}`, "hex");
    return { header: { "Courier-Signature": `t=${milliseconds(time)},signature=${signature}` } };
  },
  patreon: ({ secret, body }) => ({ header: { "X-Patreon-Signature": hmac("md5", secret, body, "hex") } }),
  "dropbox-sign"({ secret, body }) {
    const { event_time, event_type } = JSON.parse(body.match(/\{.*\}/)[0]).event;
    return { body: body.replace(/(?<="event_hash":")[0-9a-f]*/, hmac("sha256", secret, event_time + event_type, "hex")) };
  },

  "standard-webhooks": standardWebhooks(),
  anthropic: standardWebhooks(),
  openai: standardWebhooks(),
  "recall-ai": standardWebhooks(),
  replicate: standardWebhooks(),
  resend: standardWebhooks("Svix"),

  facebook: meta,
  "facebook-messenger": meta,
  instagram: meta,
  whatsapp: meta,

  agora: body("Agora-Signature-V2", "sha256", "hex"),
  ashby: body("Ashby-Signature", "sha256", "hex", "sha256="),
  attio: body("Attio-Signature", "sha256", "hex"),
  buttondown: body("X-Buttondown-Signature", "sha256", "hex", "sha256="),
  "cal-com": body("X-Cal-Signature-256", "sha256", "hex"),
  checkr: body("X-Checkr-Signature", "sha256", "hex"),
  docusign: body("X-DocuSign-Signature-1", "sha256", "base64"),
  enode: body("X-Enode-Signature", "sha1", "hex", "sha1="),
  fireflies: body("X-Hub-Signature", "sha256", "hex", "sha256="),
  "front-rules": body("X-Front-Signature", "sha1", "base64"),
  greenhouse: body("Signature", "sha256", "hex", "sha256 "),
  gusto: body("X-Gusto-Signature", "sha256", "hex"),
  helpscout: body("X-HelpScout-Signature", "sha1", "base64"),
  intercom: body("X-Hub-Signature", "sha1", "hex", "sha1="),
  line: body("X-Line-Signature", "sha256", "base64"),
  segment: body("X-Signature", "sha1", "hex"),
  cursor: body("X-Webhook-Signature", "sha256", "hex", "sha256="),
  tally: body("Tally-Signature", "sha256", "base64"),
  twitter: body("X-Twitter-Webhooks-Signature", "sha256", "base64", "sha256="),
  typeform: body("Typeform-Signature", "sha256", "base64", "sha256="),
  uber: body("X-Uber-Signature", "sha256", "hex"),
  viber: body("X-Viber-Content-Signature", "sha256", "hex"),
  webex: body("X-Spark-Signature", "sha1", "hex"),

  airship: timed("X-UA-SIGNATURE", "X-UA-TIMESTAMP", seconds, (at, text) => `${at}:${text}`),
  akeneo: timed("X-Akeneo-Request-Signature", "X-Akeneo-Request-Timestamp", seconds, (at, text) => `${at}.${text}`),
  crisp: withField("X-Crisp-Signature", "X-Crisp-Request-Timestamp", (at, text) => `[${at};${text}]`),
  customerio: timed("X-CIO-Signature", "X-CIO-Timestamp", seconds, (at, text) => `v0:${at}:${text}`),
  front: timed("X-Front-Signature", "X-Front-Request-Timestamp", milliseconds, (at, text) => `${at}:${text}`, "base64"),
  klaviyo: withField("Klaviyo-Signature", "Klaviyo-Timestamp", (at, text) => text + at),
  lob: timed("Lob-Signature", "Lob-Signature-Timestamp", milliseconds, (at, text) => `${at}.${text}`),
  pylon: timed("Pylon-Webhook-Signature", "Pylon-Webhook-Timestamp", seconds, (at, text) => `${at}.${text}`, "hex", "hs256="),
  zendesk: timed(
    "X-Zendesk-Webhook-Signature",
    "X-Zendesk-Webhook-Signature-Timestamp",
    (time) => time.toISOString().replace(".000", ""),
    (at, text) => at + text,
    "base64",
  ),
  zoom: timed("x-zm-signature", "x-zm-request-timestamp", seconds, (at, text) => `v0:${at}:${text}`, "hex", "v0="),

  calendly: shared("Calendly-Webhook-Signature", ["t", "v1"]),
  convertkit: shared("X-Kit-Signature", ["t", "v1"]),
  elevenlabs: shared("ElevenLabs-Signature", ["t", "v0"]),
  mux: shared("Mux-Signature", ["t", "v1"]),
  retell: shared("X-Retell-Signature", ["v", "d"], milliseconds, (at, text) => text + at),
  tiktok: shared("TikTok-Signature", ["t", "s"]),
  "zoho-payments": shared("X-Zoho-Webhook-Signature", ["t", "v"], milliseconds),

  "twilio-json"({ secret, body, url }) {
    const address = new URL(url);
    address.searchParams.set("bodySHA256", digest("sha256", body, "hex"));
    return {
      header: { "X-Twilio-Signature": hmac("sha1", secret, address.href, "base64") },
      query: { bodySHA256: digest("sha256", body, "hex") },
    };
  },

  mandrill: urlAndForm("X-Mandrill-Signature"),
  twilio: urlAndForm("X-Twilio-Signature"),

  bird({ secret, body, time, url }) {
    const message = Buffer.concat([Buffer.from(`${seconds(time)}\n${url}\n`), digest("sha256", body)]);
    return {
      header: {
        "MessageBird-Request-Timestamp": seconds(time),
        "MessageBird-Signature": hmac("sha256", secret, message, "base64"),
      },
    };
  },

  close({ secret, body, time }) {
    const key = Buffer.from(secret, "hex");
    return {
      header: {
        "Close-Sig-Timestamp": seconds(time),
        "Close-Sig-Hash": hmac("sha256", key, seconds(time) + body, "hex"),
      },
    };
  },

  daily({ secret, body, header }) {
    const message = `${header["X-Webhook-Timestamp"]}.${body}`;
    return { header: { "X-Webhook-Signature": hmac("sha256", Buffer.from(secret, "base64"), message, "base64") } };
  },

  deel: ({ secret, body }) => ({ header: { "X-Deel-Signature": hmac("sha256", secret, `POST${body}`, "hex") } }),

  favro({ secret, body, url }) {
    return { header: { "X-Favro-Webhook": hmac("sha1", secret, JSON.parse(body).payloadId + url, "base64") } };
  },

  hubspot({ secret, body, time, url, method }) {
    const at = milliseconds(time);
    return {
      header: {
        "X-HubSpot-Request-Timestamp": at,
        "X-HubSpot-Signature-v3": hmac("sha256", secret, method + url + body + at, "base64"),
      },
    };
  },

  lever({ secret, body }) {
    const { signature, ...event } = JSON.parse(body);
    return { body: JSON.stringify({ ...event, signature: hmac("sha256", secret, event.token + event.triggeredAt, "hex") }) };
  },

  mailgun({ secret, body }) {
    const { signature, ...event } = JSON.parse(body);
    const { timestamp, token } = signature;
    return {
      body: JSON.stringify({
        signature: { timestamp, token, signature: hmac("sha256", secret, timestamp + token, "hex") },
        ...event,
      }),
    };
  },

  "microsoft-teams"({ secret, body }) {
    return { header: { Authorization: "HMAC " + hmac("sha256", Buffer.from(secret, "base64"), body, "base64") } };
  },

  onfleet({ secret, body }) {
    return { header: { "X-Onfleet-Signature": hmac("sha512", Buffer.from(secret, "hex"), body, "hex") } };
  },

  oura({ secret, body, time }) {
    return {
      header: {
        "X-Oura-Timestamp": seconds(time),
        "X-Oura-Signature": hmac("sha256", secret, seconds(time) + body, "hex").toUpperCase(),
      },
    };
  },

  pandadoc: ({ secret, body }) => ({ query: { signature: hmac("sha256", secret, body, "hex") } }),

  plivo({ secret, body, url, header }) {
    const fields = [...new URLSearchParams(body)].map(([name, value]) => name + value).sort();
    const message = `${url}?${fields.join("")}.${header["X-Plivo-Signature-V3-Nonce"]}`;
    return { header: { "X-Plivo-Signature-V3": hmac("sha256", secret, message, "base64") } };
  },

  plain: body("Plain-Request-Signature", "sha256", "hex"),

  samsara({ secret, body, time }) {
    const key = Buffer.from(secret, "base64");
    return {
      header: {
        "X-Samsara-Timestamp": seconds(time),
        "X-Samsara-Signature": "v1=" + hmac("sha256", key, `v1:${seconds(time)}:${body}`, "hex"),
      },
    };
  },

  sinch({ secret, body, time, header }) {
    const nonce = header["x-sinch-webhook-signature-nonce"];
    return {
      header: {
        "x-sinch-webhook-signature-timestamp": seconds(time),
        "x-sinch-webhook-signature": hmac("sha256", secret, `${body}.${nonce}.${seconds(time)}`, "base64"),
      },
    };
  },

  "sinch-voice"({ secret, body, time, method, url, header }) {
    const at = time.toISOString().replace(".000", "");
    const message = [method, digest("md5", body, "base64"), header["Content-Type"], `x-timestamp:${at}`, new URL(url).pathname].join("\n");
    const signature = hmac("sha256", Buffer.from(secret, "base64"), message, "base64");
    return { header: { "X-Timestamp": at, Authorization: `application 669E367E-6BBA-48AB-AF15-266871C28135:${signature}` } };
  },

  "tiktok-shop"({ secret, body, with: { app_key } }) {
    return { header: { Authorization: hmac("sha256", secret, app_key + body, "hex") } };
  },

  twitch({ secret, body, time, id }) {
    const at = time.toISOString();
    return {
      header: {
        "Twitch-Eventsub-Message-Id": id,
        "Twitch-Eventsub-Message-Timestamp": at,
        "Twitch-Eventsub-Message-Signature": "sha256=" + hmac("sha256", secret, id + at + body, "hex"),
      },
    };
  },
};
