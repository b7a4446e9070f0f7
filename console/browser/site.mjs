// What the tests know of the site that they run against: how to sign for its
// endpoints, and how to wait.

import { createHmac, randomUUID } from "node:crypto";

export const site = process.env.SITE;

const hmac = (secret, text) => createHmac("sha256", secret).update(text).digest("hex");

/** send posts a delivery for orders; secret, id, event, header and body can be given. */
export function sendOrder({ secret = "orders-secret", id = randomUUID(), event = "order.paid", more = {}, header = {} } = {}) {
	const body = JSON.stringify({ event, delivery_id: id, ...more });
	const at = String(Math.floor(Date.now() / 1000));
	return post("/hooks/orders", body, {
		"X-Saltare-Timestamp": at, "X-Saltare-Signature": `sha256=${hmac(secret, `${at}.${body}`)}`, ...header,
	});
}

export function sendPush({ secret = "code-secret", id = randomUUID(), event = "push", body = "{}", header = {} } = {}) {
	return post("/hooks/code", body, { "X-GitHub-Delivery": id, "X-GitHub-Event": event, "X-Hub-Signature-256": `sha256=${hmac(secret, body)}`, ...header });
}

export function sendPayment({ secret = "payments-secret", id = `evt_${randomUUID()}`, event = "charge.succeeded", age = 0 } = {}) {
	const body = JSON.stringify({ id, type: event });
	const at = Math.floor(Date.now() / 1000) - age;
	return post("/hooks/payments", body, { "Stripe-Signature": `t=${at},v1=${hmac(secret, `${at}.${body}`)}` });
}

async function post(path, body, headers) {
	const answer = await fetch(site + path, { method: "POST", body, headers: { "Content-Type": "application/json", ...headers } });
	await answer.arrayBuffer();
	return answer.status;
}

/** eventually waits until what is asked is so. */
export async function eventually(what, ask, wanted = (value) => value) {
	const end = Date.now() + 30_000;
	for (;;) {
		const got = await ask();
		if (wanted(got)) return got;
		if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(got)}`);
		await new Promise((resolve) => { setTimeout(resolve, 30); });
	}
}
