// Providers of source control, builds, monitoring, identity and content.

import { digest, hmac, milliseconds, seconds, standardWebhooks } from "./helpers/signing.mjs";

const svix = ({ header, ...delivery }) => standardWebhooks("Webhook-Id" in header ? "Webhook" : "Svix")(delivery);

// The whole body and nothing else, as many do.
const hex = (algorithm, field, prefix = "") => ({ secret, body }) => ({
  header: { [field]: prefix + hmac(algorithm, secret, body, "hex") },
});
const base64 = (algorithm, field) => ({ secret, body }) => ({
  header: { [field]: hmac(algorithm, secret, body, "base64") },
});

export default {
  bitbucket: hex("sha256", "X-Hub-Signature", "sha256="),
  "bitbucket-data-center": hex("sha256", "X-Hub-Signature", "sha256="),
  circleci: hex("sha256", "circleci-signature", "v1="),
  forgejo: hex("sha256", "X-Forgejo-Signature"),
  gitea: hex("sha256", "X-Gitea-Signature"),
  gogs: hex("sha256", "X-Gogs-Signature"),
  jira: hex("sha256", "X-Hub-Signature", "sha256="),
  linear: hex("sha256", "Linear-Signature"),
  "npm-hooks": hex("sha256", "X-Npm-Signature", "sha256="),
  snyk: hex("sha256", "X-Hub-Signature", "sha256="),
  sonarqube: hex("sha256", "X-Sonar-Webhook-HMAC-SHA256"),
  sonatype: hex("sha1", "X-Nexus-Webhook-Signature"),
  terraform: hex("sha512", "X-TFE-Notification-Signature"),

  doppler: hex("sha256", "X-Doppler-Signature", "sha256="),
  grafana: hex("sha256", "X-Grafana-Alerting-Signature"),
  heroku: base64("sha256", "Heroku-Webhook-Hmac-SHA256"),
  "launch-darkly": hex("sha256", "X-LD-Signature"),
  mongodb: base64("sha1", "X-MMS-Signature"),
  sentry: hex("sha256", "Sentry-Hook-Signature"),
  "signal-sciences": hex("sha256", "X-SigSci-Signature"),
  "trendmicro-conformity": hex("sha256", "X-Conformity-Signature"),
  "trigger-dev": hex("sha256", "X-Trigger-Signature-HmacSha256"),
  vercel: hex("sha1", "X-Vercel-Signature"),
  "vercel-log-drains": hex("sha1", "X-Vercel-Signature"),

  autodesk: hex("sha1", "x-adsk-signature", "sha1hash="),
  castle: base64("sha256", "X-Castle-Signature"),
  convoy: hex("sha256", "X-Convoy-Signature"),
  descope: base64("sha256", "x-descope-webhook-s256"),
  hookdeck: base64("sha256", "X-Hookdeck-Signature"),

  asana: hex("sha256", "X-Hook-Signature"),
  clickup: hex("sha256", "X-Signature"),
  discourse: hex("sha256", "X-Discourse-Event-Signature", "sha256="),
  dropbox: hex("sha256", "X-Dropbox-Signature"),
  notion: hex("sha256", "X-Notion-Signature", "sha256="),
  pagerduty: hex("sha256", "X-PagerDuty-Signature", "v1="),
  pusher: hex("sha256", "X-Pusher-Signature"),
  storyblok: hex("sha1", "Webhook-Signature"),
  websub: hex("sha256", "X-Hub-Signature", "sha256="),
  "websub-sha1": hex("sha1", "X-Hub-Signature", "sha1="),

  clerk: svix,
  "gitlab-signing-token": standardWebhooks(),
  render: standardWebhooks(),
  granola: standardWebhooks(),
  stytch: svix,
  svix,

  // Shown as v1,whsec_…, a version before the usual form.
  "supabase-auth-hooks": ({ secret, ...delivery }) =>
    standardWebhooks()({ ...delivery, secret: secret.slice("v1,".length) }),

  // Shown as appId.keyId:key; the key is used as text.
  ably: ({ secret, body }) => ({
    header: { "X-Ably-Signature": hmac("sha256", secret.split(":")[1], body, "base64") },
  }),

  // The MAC is hex, although the key is base64.
  airtable: ({ secret, body }) => ({
    header: { "X-Airtable-Content-MAC": "hmac-sha256=" + hmac("sha256", Buffer.from(secret, "base64"), body, "hex") },
  }),

  // Two fields, each by a key of its own; this is the primary one.
  box: ({ secret, body, header }) => ({
    header: { "BOX-SIGNATURE-PRIMARY": hmac("sha256", secret, body + header["BOX-DELIVERY-TIMESTAMP"], "base64") },
  }),

  buildkite({ secret, body, time }) {
    const signature = hmac("sha256", secret, seconds(time) + "." + body, "hex");
    return { header: { "X-Buildkite-Signature": `timestamp=${seconds(time)},signature=${signature}` } };
  },

  "cloudflare-stream"({ secret, body, time }) {
    const signature = hmac("sha256", secret, seconds(time) + "." + body, "hex");
    return { header: { "Webhook-Signature": `time=${seconds(time)},sig1=${signature}` } };
  },

  // A comma joins what is signed.
  "convoy-advanced"({ secret, body, time }) {
    const signature = hmac("sha256", secret, seconds(time) + "," + body, "hex");
    return { header: { "X-Convoy-Signature": `t=${seconds(time)},v1=${signature}` } };
  },

  "contentstack-hmac"({ secret, body, time }) {
    const signature = hmac("sha256", secret, seconds(time) + "." + body, "hex");
    return { header: { "X-Contentstack-Hmac-Signature": `t=${seconds(time)},v1=${signature}` } };
  },

  frameio({ secret, body, time }) {
    const signature = hmac("sha256", secret, `v0:${seconds(time)}:${body}`, "hex");
    return {
      header: { "X-Frameio-Signature": "v0=" + signature, "X-Frameio-Request-Timestamp": seconds(time) },
    };
  },

  // The body comes first, and nothing stands between it and the time.
  ghost({ secret, body, time }) {
    const signature = hmac("sha256", secret, body + milliseconds(time), "hex");
    return { header: { "X-Ghost-Signature": `sha256=${signature}, t=${milliseconds(time)}` } };
  },

  hostedhooks({ secret, body, time }) {
    const signature = hmac("sha256", secret, seconds(time) + "." + body, "hex");
    return { header: { "HostedHooks-Signature": `t=${seconds(time)},s=${signature}` } };
  },

  // The key's hex is used as text, without the environment before it.
  inngest({ secret, body, time }) {
    const key = secret.replace(/^signkey-\w+-/, "");
    const signature = hmac("sha256", key, body + seconds(time), "hex");
    return { header: { "X-Inngest-Signature": `t=${seconds(time)}&s=${signature}` } };
  },

  "ory-polis"({ secret, body, time }) {
    const signature = hmac("sha256", secret, milliseconds(time) + "." + body, "hex");
    return { header: { "Ory-Signature": `t=${milliseconds(time)},s=${signature}` } };
  },

  sanity({ secret, body, time }) {
    const signature = hmac("sha256", secret, milliseconds(time) + "." + body, "base64url");
    return { header: { "Sanity-Webhook-Signature": `t=${milliseconds(time)},v1=${signature}` } };
  },

  // A colon joins what is signed.
  webflow: ({ secret, body, time }) => ({
    header: {
      "X-Webflow-Signature": hmac("sha256", secret, milliseconds(time) + ":" + body, "hex"),
      "X-Webflow-Timestamp": milliseconds(time),
    },
  }),

  workos({ secret, body, time }) {
    const signature = hmac("sha256", secret, milliseconds(time) + "." + body, "hex");
    return { header: { "WorkOS-Signature": `t=${milliseconds(time)}, v1=${signature}` } };
  },

  trello: ({ secret, body, url }) => ({ header: { "X-Trello-Webhook": hmac("sha1", secret, body + url, "base64") } }),

  contentful({ secret, body, time, method, url, header }) {
    const signed = {
      ...header,
      "X-Contentful-Timestamp": milliseconds(time),
      "X-Contentful-Signed-Headers": "x-contentful-timestamp,x-contentful-signed-headers,x-contentful-topic",
    };
    const fields = Object.entries(signed).map(([name, value]) => `${name.toLowerCase()}:${value.trim()}`);
    const message = [method, encodeURI(new URL(url).pathname), fields.sort().join(";"), body].join("\n");
    return { header: { ...signed, "X-Contentful-Signature": hmac("sha256", secret, message, "hex") } };
  },

  drone({ secret, body, time }) {
    const date = time.toUTCString();
    const sum = `SHA-256=${digest("sha256", body, "base64")}`;
    const signature = hmac("sha256", secret, `date: ${date}\ndigest: ${sum}`, "base64");
    return {
      header: {
        Date: date,
        Digest: sum,
        Signature: `keyId="hmac-key",algorithm="hmac-sha256",signature="${signature}",headers="date digest"`,
      },
    };
  },

  hygraph({ secret, body, time }) {
    const message = JSON.stringify({ Body: body, EnvironmentName: "master", TimeStamp: time.getTime() });
    return { header: { "gcms-signature": `sign=${hmac("sha256", secret, message, "base64")}, env=master, t=${time.getTime()}` } };
  },
};
