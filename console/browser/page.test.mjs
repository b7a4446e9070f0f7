import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { eventually, sendOrder, sendPayment, sendPush, site } from "./site.mjs";

const home = `${site}/console/`;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const wide = { width: 1280, height: 800 };
const phone = { width: 360, height: 740 };

let browser;
const faults = []; // of the page's own making, in whatever test

before(async () => {
	browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
	await browser?.close();
	assert.deepEqual(faults, []);
});

/** visit opens the page, and is told of all that it must not do. */
async function visit(t, { viewport = wide, colorScheme = "light", prepare, hash = "", ...more } = {}) {
	const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce", ...more });
	t.after(() => context.close());
	context.setDefaultTimeout(30_000);
	const page = await context.newPage();
	page.on("request", (request) => {
		if (!request.url().startsWith(home)) faults.push(`a request to ${request.url()}`);
	});
	page.on("pageerror", (error) => faults.push(error.stack));
	page.on("console", (message) => {
		// The browser says this of every answer that is an error.
		if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(message.text());
	});
	await page.addInitScript(() => {
		addEventListener("securitypolicyviolation", (event) => console.error("CSP", event.violatedDirective, event.blockedURI));
	});
	await prepare?.(page);
	await page.goto(home + hash);
	await page.locator('#connection[data-state="live"]').waitFor();
	return page;
}

const rowOf = (page, text) => page.locator("tr.delivery").filter({ hasText: text });

const arrived = (page, text) => rowOf(page, text).first().waitFor();

test("deliveries show while they come, with what became of them", async (t) => {
	const page = await visit(t);
	const [paid, forged] = [randomUUID(), randomUUID()];
	assert.equal(await sendOrder({ id: paid }), 200);
	await arrived(page, paid);
	assert.match(await rowOf(page, paid).innerText(), /forwarded[^]*orders[^]*order\.paid[^]*answered 200/);
	assert.equal(await sendPush({ id: forged, secret: "somebody's" }), 401);
	await arrived(page, forged);
	assert.match(await rowOf(page, forged).innerText(), /rejected[^]*signature mismatch/);
	const time = rowOf(page, forged).locator("time");
	assert.match(await time.getAttribute("title"), /^\d{4}-\d\d-\d\dT/);
	assert.equal(await page.locator("tr.delivery").first().innerText(), await rowOf(page, forged).innerText(), "the newest is first");
});

test("what came before the page is there, too", async (t) => {
	const id = randomUUID();
	await sendOrder({ id });
	await arrived(await visit(t), id);
});

test("each endpoint has its counts, its hour and its secrets", async (t) => {
	await sendPayment();
	await sendPayment({ secret: "another" });
	const page = await visit(t);
	const card = page.locator(".endpoint-card").filter({ hasText: "payments" });
	const plotted = async () => (await card.locator("svg.plot").getAttribute("aria-label")).match(/(\d+) accepted and (\d+) not/).slice(1).map(Number);
	const [passed, refused] = await eventually("counts", plotted, (counts) => counts[0] > 0 && counts[1] > 0);
	await sendPayment();
	await eventually("the plot goes on", plotted, (counts) => counts[0] > passed && counts[1] === refused);
	for (const kind of ["passed", "refused"]) assert.match(await card.locator(`svg.plot .${kind}`).getAttribute("d"), /^M[^]*z$/);
	assert.match(await card.innerText(), /stripe, monitor mode[^]*a minute[^]*forwarded \d+[^]*rejected \d+[^]*Last verified[^]*ago[^]*Secret 1\s+used .* ago/);
	assert.match(await page.locator(".endpoint-card").filter({ hasText: "orders" }).innerText(), /Secret previous\s+not used since the start/);

	await card.getByRole("button", { name: /rejected/ }).click();
	assert.equal(await page.locator("#by-endpoint").inputValue(), "payments");
	assert.equal(await page.locator("#by-verdict").inputValue(), "rejected");
});

test("filters and search find deliveries, and say when there are none", async (t) => {
	const [charge, push, ignored] = [`evt_${randomUUID()}`, randomUUID(), `evt_${randomUUID()}`];
	await sendPayment({ id: charge });
	await sendPush({ id: push });
	await sendPayment({ id: ignored, event: "customer.created" });
	const page = await visit(t);
	for (const id of [charge, push, ignored]) await arrived(page, id);
	const shows = async (yes, no) => {
		for (const id of yes) await rowOf(page, id).waitFor();
		for (const id of no) await rowOf(page, id).waitFor({ state: "detached" });
	};
	await page.locator("#by-endpoint").selectOption("payments");
	await shows([charge, ignored], [push]);
	await page.locator("#by-verdict").selectOption("ignored");
	await shows([ignored], [charge, push]);
	await page.getByRole("button", { name: "Clear filters" }).click();
	await page.getByRole("searchbox", { name: "Event" }).fill("CHARGE.*");
	await shows([charge], [push, ignored]);
	await page.getByRole("searchbox", { name: "Event" }).fill("stomer.cre");
	await shows([ignored], [push, charge]);
	await page.getByRole("searchbox", { name: "Event" }).fill("(["); // is no expression, but a text
	await page.getByText("No delivery that is kept has this.").waitFor();
	await page.getByRole("button", { name: "Clear filters" }).click();
	await page.getByRole("searchbox", { name: "Delivery ID" }).fill(push.slice(3));
	await shows([push], [charge, ignored]);
	const number = new URL(await rowOf(page, push).locator("a").getAttribute("href"), home).hash.split("=")[1];
	await page.getByRole("searchbox", { name: "Delivery ID" }).fill(`#${number}`);
	await shows([push], [charge]);
});

test("while it is paused, nothing moves, and nothing is lost", async (t) => {
	const page = await visit(t);
	const [seen, unseen] = [randomUUID(), randomUUID()];
	await sendOrder({ id: seen });
	await arrived(page, seen);
	const pause = page.getByRole("button", { name: "Pause" });
	await pause.click();
	assert.equal(await pause.getAttribute("aria-pressed"), "true");
	await sendOrder({ id: unseen });
	await page.getByText("1 more since the pause").waitFor();
	assert.equal(await rowOf(page, unseen).count(), 0);
	await pause.click();
	await arrived(page, unseen);
});

test("a delivery tells all that is kept of it", async (t) => {
	const id = randomUUID();
	await sendPush({ id, secret: " code-secret", header: { "X-Note": "a note" } });
	const page = await visit(t);
	await arrived(page, id);
	await rowOf(page, id).click();
	const detail = page.getByRole("dialog");
	await detail.getByText(id).first().waitFor();
	const text = await detail.innerText();
	assert.match(text, /Verdict\s+rejected[^]*Reason\s+signature mismatch/);
	assert.match(text, /Method\s+POST[^]*Path\s+\/hooks\/code/);
	assert.match(text, /X-Note\s+a note/);
	assert.match(text, /X-Hub-Signature-256\s+…/);
	assert.match(page.url(), /#delivery=\d+$/);

	// The address opens it, wherever it is pasted.
	const other = await visit(t, { hash: new URL(page.url()).hash });
	await other.getByRole("dialog").getByText(id).first().waitFor();

	await detail.getByRole("button", { name: "Find out why" }).click();
	await detail.getByText("secret blanks").first().waitFor();
	assert.match(await detail.innerText(), /What to do\s+Set the secret anew[^]*Proven/);

	await page.goBack();
	await detail.waitFor({ state: "hidden" });
	await page.goForward();
	await detail.waitFor();
});

test("a body is shown without what is redacted, and its delivery sent again once that is confirmed", async (t) => {
	const [handled, failing] = [randomUUID(), randomUUID()];
	await sendOrder({ id: handled, more: { note: "two\nlines", email: "ann@example.com" } });
	await sendOrder({ id: failing, more: { do: "fail" } });
	const page = await visit(t);
	const detail = page.getByRole("dialog");
	for (const [id, outcome] of [[handled, "forwarded, the application answered 200"], [failing, "failed, the application answered 500"]]) {
		await rowOf(page, id).click();
		await detail.locator("pre").getByText(id).waitFor();
		assert.ok(!(await detail.innerText()).includes("ann@example.com"));
		await detail.getByRole("button", { name: "Send again…" }).click();
		assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel");
		await detail.getByRole("button", { name: "Yes, do it" }).click();
		await detail.getByText(outcome).waitFor();
		await detail.getByRole("link", { name: /^Delivery \d+$/ }).click();
		await detail.getByText("manual").first().waitFor();
		await page.keyboard.press("Escape");
		await eventually("both are in the table", () => rowOf(page, id).count(), (n) => n === 2);
		assert.match(await rowOf(page, id).first().innerText(), /replayed/);
	}
});

test("no other site can read anything, or cause anything", async (t) => {
	await sendOrder();
	const replayed = async () => (await (await fetch(`${home}webhooks/deliveries?replayed=manual&limit=1000`)).json()).deliveries.length;
	const { deliveries } = await (await fetch(`${home}webhooks/deliveries?verdict=forwarded&limit=1`)).json();
	const before = await replayed();
	const context = await browser.newContext();
	t.after(() => context.close());
	const page = await context.newPage();
	await page.goto(process.env.RELOAD);
	const attempts = await page.evaluate(async ([home, number]) => {
		const attempt = (path, options) => fetch(home + path, options).then((answer) => answer.type, (error) => error.name);
		const frame = document.createElement("iframe");
		frame.src = home;
		document.body.append(frame);
		await new Promise((loaded) => { frame.onload = loaded; });
		return [
			await attempt("webhooks/endpoints"),
			await attempt(`webhooks/deliveries/${number}/replay`, { method: "POST", mode: "no-cors" }),
			await attempt(`webhooks/deliveries/${number}/replay`, { method: "POST", headers: { "Hookpass-Console": "1" } }),
		];
	}, [home, deliveries[0].number]);
	assert.deepEqual(attempts, ["TypeError", "TypeError", "TypeError"]);
	assert.match(page.frames()[1].url(), /^chrome-error:/);
	assert.equal(await replayed(), before);
});

test("one that is not kept any more is said to be gone", async (t) => {
	const page = await visit(t, { hash: "#delivery=999999999" });
	await page.getByRole("dialog").getByText("no delivery \"999999999\" is kept").waitFor();
	await page.getByRole("dialog").getByText("Only the newest deliveries are kept").waitFor();
});

test("a delivery can be forgotten, so that its copy passes again, once that is confirmed", async (t) => {
	const id = randomUUID();
	await sendOrder({ id });
	const page = await visit(t);
	await arrived(page, id);
	await rowOf(page, id).click();
	const detail = page.getByRole("dialog");
	await detail.getByRole("button", { name: "Forget…" }).click();
	await detail.getByRole("button", { name: "Cancel" }).click();
	await sendOrder({ id });
	await eventually("a copy is a duplicate", () => rowOf(page, id).count(), (n) => n === 2);
	assert.match(await rowOf(page, id).first().innerText(), /duplicate/);

	await detail.getByRole("button", { name: "Forget…" }).click();
	await detail.getByRole("button", { name: "Yes, do it" }).click();
	await detail.getByText("Forgotten.").waitFor();
	await sendOrder({ id });
	await eventually("the next is none", () => rowOf(page, id).count(), (n) => n === 3);
	assert.match(await rowOf(page, id).first().innerText(), /forwarded/);
});

test("the keyboard alone does it all", async (t) => {
	const ids = [randomUUID(), randomUUID(), randomUUID()];
	for (const id of ids) await sendOrder({ id });
	const page = await visit(t);
	await arrived(page, ids[2]);
	const focused = () => page.evaluate(() => document.activeElement?.closest("tr")?.innerText ?? document.activeElement?.id ?? "");
	const at = (id) => eventually(`focus at ${id}`, focused, (text) => text.includes(id));
	await page.keyboard.press("Tab");
	assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the deliveries");
	await page.locator("#clear").evaluate((clear) => { clear.disabled = false; clear.focus(); });
	await page.keyboard.press("Tab");
	await at(ids[2]); // one stop for the whole table
	assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
	await page.keyboard.press("ArrowDown");
	await at(ids[1]);
	await page.keyboard.press("ArrowDown");
	await at(ids[0]);
	await page.keyboard.press("Home");
	await at(ids[2]);
	await page.keyboard.press("ArrowDown");
	await at(ids[1]);
	await page.keyboard.press("Enter");
	const detail = page.getByRole("dialog");
	await detail.getByText(ids[1]).first().waitFor();
	assert.equal(await page.evaluate(() => document.activeElement.closest("dialog")?.id), "detail");
	await page.keyboard.press("Escape");
	await detail.waitFor({ state: "hidden" });
	await at(ids[1]); // where it was opened
	assert.ok(!page.url().includes("#delivery"));
	// What comes meanwhile does not take it away.
	const next = randomUUID();
	await sendOrder({ id: next });
	await arrived(page, next);
	await at(ids[1]);
});

test("what a sender writes is text, and shows what it is made of", async (t) => {
	const id = randomUUID();
	const script = "<img src=x onerror=alert(1)><script>alert(2)</script>";
	const events = [script, `abc\u202Egnp.exe`, "n".repeat(256), "é\u0000\u001b[31m"];
	for (const event of events) await sendOrder({ id: `${id} ${script}`, event, header: { "X-Hostile": script, [`X-${"n".repeat(250)}`]: "v".repeat(600) } });
	const page = await visit(t, { viewport: phone });
	await eventually("they are there", () => rowOf(page, id).count(), (n) => n === events.length);
	assert.equal(await page.locator("#rows img, #rows script").count(), 0);
	const text = await page.locator("#rows").innerText();
	assert.ok(text.includes(script));
	assert.ok(!/[\u202e\u0000\u001b]/.test(text), "nothing turns or hides the text around it");
	for (const i of [0, 3]) {
		await rowOf(page, id).nth(i).locator("a").click();
		const detail = page.getByRole("dialog");
		await detail.getByText("X-Hostile").waitFor();
		assert.equal(await detail.locator("img, script").count(), 0);
		assert.ok(!/[\u202e\u0000\u001b]/.test(await detail.innerText()));
		assert.equal(await page.evaluate(() => document.querySelector("dialog").scrollWidth), phone.width);
		await page.keyboard.press("Escape");
		await detail.waitFor({ state: "hidden" });
	}
	assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), phone.width, "the page scrolls in one direction alone");
});

/** synthetic are n deliveries, the newest first, as the API has them: older than any other. */
const synthetic = (n) => Array.from({ length: n }, (_, i) => ({
	number: -1 - i, time: new Date(Date.now() - i * 1000).toISOString(), endpoint: "orders", provider: "saltare", verdict: i % 10 ? "forwarded" : "failed",
	event: "order.paid", delivery_id: `synthetic-${n - i};`, status: i % 10 ? 200 : 500, mode: "enforce",
}));

/** instead has the page take these for the deliveries that are kept. */
const instead = (deliveries) => async (page) => {
	await page.route("**/webhooks/deliveries?limit=10000", (route) => route.fulfill({ json: { deliveries } }));
	await page.route("**/webhooks/stream", async (route) => route.continue({ headers: { ...await route.request().allHeaders(), "last-event-id": "" } }));
};

test("ten thousand deliveries take no more elements than a hundred", async (t) => {
	const page = await visit(t, { prepare: instead(synthetic(10_000)) });
	await page.getByText("10000 kept").waitFor();
	const few = async () => {
		assert.ok(await page.locator("tr.delivery").count() < 60, "rows");
		assert.ok(await page.evaluate(() => document.querySelectorAll("*").length) < 1000, "elements");
	};
	await few();
	assert.equal(await page.locator("table").getAttribute("aria-rowcount"), "10001");
	const scroller = page.locator("#table");
	await page.locator("tr.delivery a").first().focus();
	await page.keyboard.press("End");
	await arrived(page, "synthetic-1;");
	await few();
	assert.equal(await rowOf(page, "synthetic-1;").getAttribute("aria-rowindex"), "10001");
	assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), "#delivery=-10000");
	// Scrolled out of sight, the keyboard goes on from where it was.
	await scroller.evaluate((element) => { element.scrollTop = 0; });
	await arrived(page, "synthetic-10000;");
	await page.keyboard.press("ArrowUp");
	await arrived(page, "synthetic-2;");
	assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), "#delivery=-9999");
	// In the middle, what comes on top moves nothing.
	await scroller.evaluate((element) => { element.scrollTop = element.scrollHeight / 2; });
	const middle = rowOf(page, "synthetic-5000;");
	await middle.waitFor();
	const [index, { y }] = [Number(await middle.getAttribute("aria-rowindex")), await middle.boundingBox()];
	await sendOrder();
	await eventually("one is above", async () => Number(await middle.getAttribute("aria-rowindex")), (now) => now === index + 1);
	assert.equal((await middle.boundingBox()).y, y);
	await page.locator("#by-verdict").selectOption("failed");
	await page.getByText(/^(999|1000) of 10000 kept/).waitFor(); // the oldest has gone
	await few();
});

test("after a reload of the configuration it goes on where it was", async (t) => {
	const page = await visit(t);
	const [earlier, later] = [randomUUID(), randomUUID()];
	await sendOrder({ id: earlier });
	await arrived(page, earlier);
	const reconnected = page.waitForRequest((request) => request.url().endsWith("/webhooks/stream"));
	assert.equal((await fetch(process.env.RELOAD, { method: "POST" })).status, 200);
	const [number] = (await rowOf(page, earlier).locator("a").getAttribute("href")).match(/\d+/);
	assert.equal((await (await reconnected).allHeaders())["last-event-id"], number);
	await sendOrder({ id: later });
	await arrived(page, later);
	await page.locator('#connection[data-state="live"]').waitFor();
	assert.equal(await rowOf(page, earlier).count(), 1);
});

test("a page that nobody sees rests, and misses nothing", async (t) => {
	const page = await visit(t, { prepare: (page) => page.clock.install() });
	const hide = (hidden) => page.evaluate((hidden) => {
		Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
		document.dispatchEvent(new Event("visibilitychange"));
	}, hidden);
	await hide(true);
	await page.clock.fastForward(61_000);
	await page.locator('#connection[data-state="resting"]').waitFor();
	const id = randomUUID();
	await sendOrder({ id });
	await hide(false);
	await arrived(page, id);
	await page.locator('#connection[data-state="live"]').waitFor();
});

test("what hookpass refuses to answer is said in words", async (t) => {
	let refuse = false;
	const page = await visit(t, {
		prepare: (page) => page.route("**/webhooks/**", (route) => (refuse
			? route.fulfill({ status: 403, contentType: "text/plain", body: "the console answers to this machine alone" })
			: route.continue())),
	});
	refuse = true;
	await fetch(process.env.RELOAD, { method: "POST" });
	await page.getByRole("alert").getByText("the console answers to this machine alone").waitFor();
	await page.getByText("Not connected, trying again").first().waitFor();
	refuse = false;
	await page.locator('#connection[data-state="live"]').waitFor();
	await page.getByRole("alert").waitFor({ state: "hidden" });
});

test("without deliveries or endpoints, it says what to do", async (t) => {
	const page = await visit(t, { prepare: instead([]) });
	await page.getByText("No delivery has come yet.").waitFor();
	const context = await browser.newContext();
	t.after(() => context.close());
	const none = await context.newPage();
	await none.route("**/webhooks/**", (route) => route.fulfill({ status: 404, json: { error: "the running configuration has no verify_webhook" } }));
	await none.goto(home);
	await none.getByText("Put verify_webhook into a site").waitFor();
});

test("it is accessible, light and dark, on a desk and on a telephone", async (t) => {
	const id = randomUUID();
	await sendPush({ id, secret: "forged", event: "pull_request" });
	const page = await visit(t);
	await arrived(page, id);
	await page.evaluate(axe);
	const judge = async (what) => {
		const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
		const serious = violations.filter((violation) => ["serious", "critical"].includes(violation.impact));
		assert.deepEqual(serious.map(({ id, nodes }) => [what, id, nodes.map((node) => [node.html, node.failureSummary])]), []);
	};
	for (const viewport of [wide, phone]) {
		await page.setViewportSize(viewport);
		assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
		for (const colorScheme of ["light", "dark"]) {
			await page.emulateMedia({ colorScheme });
			await judge(`page, ${viewport.width}, ${colorScheme}`);
			await rowOf(page, id).locator("a").click();
			await page.getByRole("dialog").getByText(id).first().waitFor();
			await judge(`detail, ${viewport.width}, ${colorScheme}`);
			await page.keyboard.press("Escape");
		}
	}
});

/** hour is what an hour of an endpoint may look like, which the test cannot wait for. */
const hour = (scale, wrong) => Array.from({ length: 60 }, (_, i) => ({
	minute: new Date(Math.floor(Date.now() / 60_000 - 59 + i) * 60_000).toISOString(),
	deliveries: { forwarded: Math.round(scale * (2 + Math.sin(i / 7) + Math.sin(i * i))), rejected: wrong(i) },
}));

if (process.env.PICTURES === "true") test("the pictures in the documentation are of this page", async (t) => {
	const histories = { orders: hour(4, (i) => (i > 31 && i < 36 ? 6 : 0)), code: hour(1, () => 0), payments: hour(9, (i) => (i % 17 === 5 ? 2 : 0)) };
	const picture = async (colorScheme, viewport, name, hash = "") => {
		const page = await visit(t, {
			colorScheme, viewport, hash, prepare: (page) => page.route("**/webhooks/endpoints", async (route) => {
				const answer = await (await route.fetch()).json();
				for (const endpoint of answer.endpoints) endpoint.last_hour = histories[endpoint.name];
				await route.fulfill({ json: answer });
			}),
		});
		await page.locator("tr.delivery").first().waitFor();
		await page.waitForFunction(() => document.querySelectorAll('.plot .passed[d*="zM"]').length > 2);
		if (hash) {
			await page.getByRole("button", { name: "Find out why" }).click();
			await page.getByText("Proven").waitFor();
		}
		await page.screenshot({ path: `../../docs/console/${name}.png` });
	};
	for (let i = 0; i < 12; i++) {
		await sendPayment({ event: ["charge.succeeded", "invoice.paid", "charge.refunded"][i % 3] });
		await sendOrder({ event: ["order.created", "order.paid"][i % 2], more: i % 8 === 7 ? { do: "fail" } : {}, secret: i % 5 ? "orders-secret" : "orders-old-secret" });
		if (i % 4 === 3) await sendPush({ event: "pull_request" });
	}
	await sendPush({ secret: "code-secret ", body: '{"ref":"refs/heads/main","pusher":{"name":"ann","email":"ann@example.com"}}' });
	await picture("light", { width: 1180, height: 760 }, "overview");
	const { deliveries } = await (await fetch(`${home}webhooks/deliveries?endpoint=code&verdict=rejected&limit=1`)).json();
	await picture("dark", { width: 1180, height: 760 }, "detail", `#delivery=${deliveries[0].number}`);
	await picture("light", phone, "phone");
});
