/**
 * A play with Cinny in headless Chromium: Alice uses the web client, Bob the API. It is given by hand:
 *
 *     npm ci
 *     ../../dev server start --dir /tmp/stage --port 8008
 *     node cinny.mjs CLIENT SERVER PICTURES
 *
 * CLIENT is the folder of the built client (in its source: `npm ci && npm run build`, then dist/), SERVER the
 * homeserver's URL, PICTURES a folder for the screenshots, which are there to be looked at. CHROMIUM names the browser,
 * /usr/bin/chromium if it is not set. At the end stands what the server refused, and what the browser complained about.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";

import { chromium } from "playwright-core";

import { serveClient } from "./client_files.mjs";
import { PASSWORD, Person, until } from "./person.mjs";

const FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
const LINES = 150;
const PATIENCE_MS = 20_000;

const [client, server, pictures] = process.argv.slice(2);
assert.ok(pictures, "usage: node cinny.mjs CLIENT SERVER PICTURES");

/** What the server refused and the browser complained about, each with how often. */
const complaints = new Map();
const complain = (text) => complaints.set(text, (complaints.get(text) ?? 0) + 1);

/** A request as one line, without what differs from one time to the next. */
function inWords(request) {
    const { origin, pathname } = new URL(request.url());
    return `${request.method()} ${origin === new URL(server).origin ? pathname : request.url()}`;
}

function listenTo(page) {
    page.on("response", async (response) => {
        if (response.status() < 400) return;
        const body = await response.text().catch(() => "");
        complain(`${response.status()} ${inWords(response.request())} ${body.slice(0, 120)}`);
    });
    page.on("requestfailed", (request) => {
        const { errorText } = request.failure();
        if (errorText !== "net::ERR_ABORTED") complain(`${errorText} ${inWords(request)}`);
    });
    page.on("pageerror", (error) => complain(`the page: ${error.message}`));
}

/** Alice at her screen. */
class Screen {
    constructor(page) {
        this.page = page;
        this.taken = 0;
    }

    async shows(text) {
        await this.page.getByText(text, { exact: true }).first().waitFor();
    }

    async picture(name) {
        this.taken += 1;
        const file = `${String(this.taken).padStart(2, "0")}-${name}.png`;
        await this.page.waitForTimeout(700); // what moves comes to rest
        await this.page.screenshot({ path: path.join(pictures, file) });
        console.log(`${file}: ${this.page.url()}`);
    }

    async logsIn(person) {
        await this.page.locator("input[name=usernameInput]").fill(person.name);
        await this.page.locator("input[name=passwordInput]").fill(PASSWORD);
        await this.picture("login");
        await this.page.getByRole("button", { name: "Login" }).click();
        await this.shows("Message Search");
    }

    async opens(room) {
        await this.page.getByRole("link", { name: room }).click();
        await this.page.locator("[data-editable-name=RoomInput]").waitFor();
    }

    async says(text) {
        await this.page.locator("[data-editable-name=RoomInput]").click();
        await this.page.keyboard.type(text);
        await this.page.keyboard.press("Enter");
    }

    /** By the command, which is chosen from the list that the client offers. */
    async invites(person) {
        await this.page.locator("[data-editable-name=RoomInput]").click();
        await this.page.keyboard.type("/invite");
        await this.page.getByRole("button", { name: /^\/invite/ }).click();
        await this.page.keyboard.type(person.id);
        await this.page.keyboard.press("Enter");
    }

    async createsRoom(name) {
        await this.page.getByText("Create Room", { exact: true }).first().click();
        await this.page.locator("form.create-room__form .toggle").click(); // without encryption
        await this.page.locator("form.create-room__form [name=name]").fill(name);
        await this.picture("create-room");
        const before = this.page.url();
        await this.page.getByRole("button", { name: "Create", exact: true }).click();
        await this.page.waitForURL((url) => url.href !== before);
        await this.page.locator("[data-editable-name=RoomInput]").waitFor();
    }

    /** Turns the wheel upward until the text is on the screen. */
    async scrollsBackTo(text) {
        await this.page.locator("[data-message-id]").last().hover();
        const end = Date.now() + 3 * PATIENCE_MS;
        while (!(await this.isOnScreen(text))) {
            assert.ok(Date.now() < end, `never came back to “${text}”`);
            await this.page.mouse.wheel(0, -1500);
            await this.page.waitForTimeout(100);
        }
    }

    /** Whether one can read the text, and would not have to scroll for it. */
    async isOnScreen(text) {
        const place = this.page.getByText(text, { exact: true }).first();
        const box = (await place.count()) > 0 ? await place.boundingBox() : null;
        return box !== null && box.y > 60 && box.y < 700;
    }

    async marksAsRead(room) {
        await this.page.getByRole("link", { name: room }).click({ button: "right" });
        await this.picture("menu-of-a-room");
        await this.page.getByText("Mark as Read", { exact: true }).last().click();
    }
}

async function play(screen, alice, bob) {
    const long = await bob.createsRoom("The long room", [alice]);
    await alice.joins(long);
    for (let number = 0; number < LINES; number += 1) await bob.says(long, `line ${number}`);

    await screen.logsIn(alice);
    await screen.shows("The long room");
    await screen.picture("rooms");
    await screen.opens("The long room");
    await screen.shows(`line ${LINES - 1}`);
    await screen.picture("newest-lines");
    await screen.scrollsBackTo("line 0");
    await screen.picture("oldest-lines");

    await screen.createsRoom("The garden");
    await screen.picture("new-room");
    await screen.says("Good morning");
    await screen.shows("Good morning");
    await screen.invites(bob);
    const garden = await bob.seesAnInvitation();
    await bob.joins(garden);
    assert.ok((await bob.reads(garden)).includes("Good morning"));
    await bob.says(garden, "Good morning yourself");
    await screen.shows("Good morning yourself");
    await screen.picture("conversation");

    const last = await bob.says(long, "one more line");
    await screen.page.getByRole("link", { name: "The long room" }).getByText("1", { exact: true }).waitFor();
    await screen.picture("unread");
    await screen.marksAsRead("The long room");
    await until(async () => (await readersOf(bob, long, last)).includes(alice.id), "Alice’s receipt");
    await screen.picture("read");
}

/** Who has read up to this event, as the watcher is told. */
async function readersOf(watcher, room, event) {
    const joined = (await watcher.syncs()).rooms.join[room];
    const receipts = joined.ephemeral.events.filter(({ type }) => type === "m.receipt");
    return receipts.flatMap((receipt) => Object.keys(receipt.content[event]?.["m.read"] ?? {}));
}

await mkdir(pictures, { recursive: true });
const [alice, bob] = [new Person(server, "alice"), new Person(server, "bob")];
await alice.registers();
await bob.registers();
const config = { defaultHomeserver: 0, homeserverList: [server], allowCustomHomeservers: true };
const files = await serveClient(client, config);
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
page.setDefaultTimeout(PATIENCE_MS);
listenTo(page);
const screen = new Screen(page);
try {
    await page.goto(files.url);
    await play(screen, alice, bob);
    console.log("the end");
} catch (error) {
    await screen.picture("where-it-broke");
    throw error;
} finally {
    for (const [complaint, times] of complaints) console.log(`${times} × ${complaint}`);
    await browser.close();
    files.close();
}
