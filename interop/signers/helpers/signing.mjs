// What the signers share. Each signer is written from its provider's own
// documentation, by hand: it is here to disagree with hookpass where hookpass
// is wrong.

import { createHash, createHmac } from "node:crypto";

// The key is text (as UTF-8) or a Buffer; the message is what is signed.
export const hmac = (algorithm, key, message, encoding) => createHmac(algorithm, key).update(message).digest(encoding);

export const digest = (algorithm, message, encoding) => createHash(algorithm).update(message).digest(encoding);

export const seconds = (time) => String(Math.floor(time.getTime() / 1000));

export const milliseconds = (time) => String(time.getTime());

// The form of standardwebhooks.com; Svix and others have it under other names.
export const standardWebhooks =
  (prefix = "Webhook") =>
  ({ secret, body, time, id }) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const signature = hmac("sha256", key, `${id}.${seconds(time)}.${body}`, "base64");
    return {
      header: {
        [`${prefix}-Id`]: id,
        [`${prefix}-Timestamp`]: seconds(time),
        [`${prefix}-Signature`]: `v1,${signature}`,
      },
    };
  };
