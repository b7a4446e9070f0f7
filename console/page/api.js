// The API is that of Caddy's admin endpoint, below the page's own folder.

const base = "webhooks/";

/** Refusal is an answer that is an error; status is 0 where there is no answer. */
export class Refusal extends Error {
	constructor(message, status) {
		super(message);
		this.status = status;
	}
}

async function request(path, options = {}) {
	let response;
	try {
		response = await fetch(base + path, {
			...options,
			cache: "no-store",
			headers: { "Hookpass-Console": "1", ...options.headers },
		});
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Refusal("hookpass does not answer. It may be restarting, or the tunnel to it may be closed.", 0);
	}
	if (response.ok) return response;
	const text = await response.text();
	let message = text.trim();
	try {
		message = JSON.parse(text).error;
	} catch {
		// Something in front of the API answered, in its own words.
	}
	if (response.status === 401) message = "The user is not logged in any more: reload the page.";
	throw new Refusal(message || `hookpass answers ${response.status}.`, response.status);
}

export const ask = async (path, method = "GET") => (await request(path, { method })).json();

/**
 * follow calls found with each delivery that comes after the one with the number,
 * until the stream ends, or the signal ends it. It throws where that cannot be had.
 */
export async function follow(number, { signal, opened, found }) {
	const response = await request("stream", { signal, headers: { "Last-Event-ID": String(number), Accept: "text/event-stream" } });
	opened();
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (;;) {
		let part;
		try {
			part = await reader.read();
		} catch {
			return; // the connection is gone, which ends the stream as well
		}
		if (part.done) return;
		const events = (rest + part.value).split("\n\n");
		rest = events.pop();
		for (const event of events) {
			const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
			if (data.length > 0) found(JSON.parse(data.join("\n")));
		}
	}
}
