// Speaks for the providers' SDKs. Each line of standard input is a task, and is
// answered by one line:
//
//   {"action": "list"}      the providers, with what the test must know of each
//   {"action": "keys"}      a pair of keys: the secret that verifies, the key that signs
//   {"action": "deliver"}   a delivery that the SDK has signed; unsigned if it cannot, or if it is to be "bare"
//   {"action": "verify"}    {} if the SDK takes the delivery for genuine, else {"refusal"}
//
// A provider is an object of these, of which verify is always there. A delivery
// is { url, header, body }; a task has the provider's secret as well.
//
//   verify(delivery)        false or an exception is a refusal; header names are lower-case
//   sign(task)              the SDK's signature for a delivery: { url, header, body } that replace its own
//   keys()                  { secret, key } where what verifies is not what signs; the
//                           secret of one that publishes its keys is what it publishes
//   secrets                 two secrets, where the SDK is particular about them
//   url, header, with       what a delivery needs beyond the usual; url may be made of the note
//   body(note, task)        the body, where the SDK wants more of it than JSON
//   ageless                 the SDK does not ask how old a delivery is

import { createInterface } from "node:readline";

import commerce from "./commerce.mjs";
import communication from "./communication.mjs";
import platforms from "./platforms.mjs";
import published from "./published.mjs";

const providers = { ...commerce, ...communication, ...platforms, ...published };

const actions = {
  list: () => ({
    providers: Object.entries(providers).map(([id, { sign, keys, secrets, ageless, with: values }]) => ({
      id,
      signs: Boolean(sign),
      keys: Boolean(keys),
      secrets,
      ageless: Boolean(ageless),
      with: values,
    })),
  }),

  keys: ({ provider }) => providers[provider].keys(),

  async deliver({ provider, note, bare, ...task }) {
    const { url = "https://hooks.example.com/in", header = {}, body = json, sign, with: values } = providers[provider];
    const unsigned = { url: typeof url === "function" ? url(note) : url, header: { "Content-Type": "application/json", ...header }, body: body(note, task) };
    if (!sign || bare) {
      return unsigned;
    }
    const { header: added, ...signed } = await sign({ ...task, ...unsigned, with: values });
    return { ...unsigned, ...signed, header: { ...unsigned.header, ...added } };
  },

  async verify({ provider, ...delivery }) {
    const { verify, with: values } = providers[provider];
    if ((await verify({ ...delivery, with: values })) === false) {
      throw new Error("is not genuine");
    }
    return {};
  },
};

function json(note, { id, event }) {
  return JSON.stringify({ id, type: event, note });
}

process.setMaxListeners(0); // each SDK may have one
for (const method of ["debug", "info", "log", "warn"]) {
  console[method] = () => {}; // standard output is for answers, and SDKs are chatty
}

for await (const line of createInterface({ input: process.stdin })) {
  const { action, ...task } = JSON.parse(line);
  let answer;
  try {
    answer = await actions[action](task);
  } catch (error) {
    // A delivery may lack what the SDK needs, but no other refusal is a crash.
    answer = { refusal: String(error), crash: error instanceof TypeError || error instanceof ReferenceError };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
