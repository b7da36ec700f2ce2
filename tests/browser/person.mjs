/** Somebody without a browser: an account that talks to the server's client-server API by plain requests. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

export const PASSWORD = "correct horse battery staple";

export class Person {
    constructor(server, name) {
        this.server = server;
        this.name = `${name}-${randomBytes(3).toString("hex")}`;
        this.transaction = 0;
    }

    async registers() {
        const auth = { type: "m.login.dummy" };
        const session = await this.asks("POST", "register", { username: this.name, password: PASSWORD, auth });
        this.id = session.user_id;
        this.token = session.access_token;
    }

    async asks(method, path, body = method === "GET" ? undefined : {}) {
        const answer = await fetch(`${this.server}/_matrix/client/v3/${path}`, {
            method,
            headers: this.token === undefined ? {} : { Authorization: `Bearer ${this.token}` },
            body: JSON.stringify(body),
        });
        const json = await answer.json();
        assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
        return json;
    }

    async createsRoom(name, invited = []) {
        const invite = invited.map(({ id }) => id);
        return (await this.asks("POST", "createRoom", { name, invite, preset: "private_chat" })).room_id;
    }

    async joins(room) {
        await this.asks("POST", `rooms/${encodeURIComponent(room)}/join`);
    }

    async says(room, body) {
        this.transaction += 1;
        const path = `rooms/${encodeURIComponent(room)}/send/m.room.message/${this.transaction}`;
        return (await this.asks("PUT", path, { msgtype: "m.text", body })).event_id;
    }

    /** A sync that does not wait. */
    async syncs() {
        return this.asks("GET", "sync?timeout=0");
    }

    /** The room in which this person is invited, once there is one. */
    async seesAnInvitation() {
        return until(async () => Object.keys((await this.syncs()).rooms?.invite ?? {})[0], "an invitation");
    }

    /** The bodies of the newest messages of a room, oldest first. */
    async reads(room) {
        const page = await this.asks("GET", `rooms/${encodeURIComponent(room)}/messages?dir=b&limit=20`);
        return page.chunk.map((event) => event.content.body).filter(Boolean).reverse();
    }
}

/** The first answer that is not empty; asks again until there is one. */
export async function until(ask, what) {
    const end = Date.now() + 20_000;
    for (;;) {
        const answer = await ask();
        if (answer) return answer;
        assert.ok(Date.now() < end, `never saw ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
    }
}
