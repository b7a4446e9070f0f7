// Computes the test vectors of provider files with node:crypto. Each file of
// signers/ exports { "<provider id>": sign }, where sign takes a delivery
//
//   { secret or keys, body, time (a Date), url, method, id, event, header, with }
//
// and returns what the provider adds to it: { header, query, body }, of which
// body is there only if the signature travels inside it. The header of the
// delivery is without the signature, and its body, too, may be.
//
// Without arguments, each line of standard input is a delivery with its
// "provider", and is answered by one line. To write a provider file,
//
//   node interop/vectors.mjs --yaml '{"provider": "stripe", "secret": …, "time": …, "body": …}'
//
// prints an entry for its vectors; without the last argument, it reads
// deliveries from standard input. "delivery_id" and "event" are what hookpass must find.

import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";

const lots = new URL("signers/", import.meta.url);
const signers = {};
for (const file of readdirSync(lots).filter((name) => name.endsWith(".mjs"))) {
  for (const [provider, sign] of Object.entries((await import(new URL(file, lots))).default)) {
    if (provider in signers) {
      throw new Error(`${file}: ${provider} has a signer already`);
    }
    signers[provider] = sign;
  }
}

function sign({ provider, time, delivery_id, ...delivery }) {
  if (!(provider in signers)) {
    throw new Error(`no signer for ${provider}: write one in signers/`);
  }
  return signers[provider]({ method: "POST", id: delivery_id, ...delivery, time: time && new Date(time) });
}

function yaml(delivery) {
  const { header, query, body } = sign(delivery);
  const url = delivery.url && new URL(delivery.url);
  for (const [name, value] of Object.entries(query ?? {})) {
    url.searchParams.set(name, value);
  }
  const entry = {
    source: "computed with node:crypto",
    secret: delivery.secret,
    keys: delivery.keys,
    with: delivery.with,
    time: delivery.time,
    method: delivery.method,
    url: query ? url.href : delivery.url,
    header: { ...header, ...delivery.header },
    body: body ?? delivery.body,
    delivery_id: delivery.delivery_id,
    event: delivery.event,
  };
  const lines = [];
  for (const [word, value] of Object.entries(entry)) {
    if (typeof value === "object") {
      if (Object.keys(value).length === 0) {
        continue;
      }
      lines.push(`${word}:`, ...Object.entries(value).map(([name, text]) => `  ${name}: ${scalar(text)}`));
    } else if (value !== undefined) {
      lines.push(`${word}: ${word === "time" ? value : scalar(value)}`);
    }
  }
  return "  - " + lines.join("\n    ");
}

// A text as YAML: plain where it cannot be taken for anything else.
function scalar(text) {
  if (/^(?=.*[A-Za-z])(?!(true|false|null|yes|no|on|off)$)(?![\d.e+-]+$|0x|\d{4}-\d\d-\d\d)[A-Za-z0-9][\w ./+=@(),;:-]*$/.test(text) && !/ $|:( |$)/.test(text)) {
    return text;
  }
  return /[\0-\x1f]/.test(text) ? JSON.stringify(text) : `'${text.replaceAll("'", "''")}'`;
}

const [flag, argument] = process.argv.slice(2);
if (argument) {
  console.log(yaml(JSON.parse(argument)));
} else {
  for await (const line of createInterface({ input: process.stdin })) {
    const delivery = JSON.parse(line);
    if (flag === "--yaml") {
      console.log(yaml(delivery));
      continue;
    }
    let answer;
    try {
      answer = sign(delivery);
    } catch (error) {
      answer = { error: String(error) };
    }
    console.log(JSON.stringify(answer));
  }
}
