/**
 * A person with matrix-js-sdk in their hands, for the plays of this folder.
 *
 * The verbs are what one sees people do. Every `sees...` waits for the client's own sync loop to bring it, and says
 * what was missed when it does not come.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import * as sdk from "matrix-js-sdk";
import { logger as sharedLogger } from "matrix-js-sdk/lib/logger.js";

const PASSWORD = "correct horse battery staple";
const PATIENCE_MS = 15_000;
sharedLogger.setLevel("error");

/** The library tells its every step; of that a play wants to hear nothing but what went wrong. */
const logger = { trace() {}, debug() {}, info() {}, warn() {}, error: console.error, getChild: () => logger };

/** The error with which a promise is refused; a promise that is kept fails the play. */
export async function refusal(promise) {
    try {
        await promise;
    } catch (error) {
        assert.ok(error instanceof sdk.MatrixError, error);
        return { status: error.httpStatus, errcode: error.errcode, data: error.data };
    }
    throw new assert.AssertionError({ message: "this should have been refused" });
}

export class Person {
    /** One account; `heard` holds the bodies of the messages of others, in the order in which the loop brought them. */
    constructor(url, name) {
        this.url = url;
        this.name = `${name}-${randomBytes(4).toString("hex")}`;
        this.client = sdk.createClient({ baseUrl: url, logger });
        this.heard = [];
    }

    get id() {
        return this.client.getUserId();
    }

    /** First learns from the server's 401 what it asks for, then does that one stage: m.login.dummy. */
    async registers() {
        const wish = { username: this.name, password: PASSWORD, inhibit_login: true };
        const offer = await refusal(this.client.registerRequest(wish));
        assert.equal(offer.status, 401);
        assert.ok(offer.data.flows.some(({ stages }) => stages.length === 1 && stages[0] === "m.login.dummy"));
        const auth = { type: "m.login.dummy", session: offer.data.session };
        const made = await this.client.registerRequest({ ...wish, auth });
        assert.ok(made.user_id.startsWith(`@${this.name}:`));
        assert.equal(made.access_token, undefined);
    }

    /** Logs in by password, which makes a new device. */
    async logsIn() {
        const { flows } = await this.client.loginFlows();
        assert.ok(flows.some(({ type }) => type === "m.login.password"));
        const session = await this.client.loginRequest({
            type: "m.login.password",
            identifier: { type: "m.id.user", user: this.name },
            password: PASSWORD,
        });
        this.client = sdk.createClient({
            baseUrl: this.url,
            userId: session.user_id,
            deviceId: session.device_id,
            accessToken: session.access_token,
            timelineSupport: true,
            logger,
        });
        const { user_id, device_id } = await this.client.whoami();
        assert.deepEqual({ user_id, device_id }, { user_id: session.user_id, device_id: session.device_id });
    }

    /** Starts the client's own endless sync loop; returns when the first answer is in. */
    async listens(initialSyncLimit = 20, options = {}) {
        this.client.on(sdk.RoomEvent.Timeline, (event, _room, atStart, _removed, { liveEvent }) => {
            const fromOthers = event.getSender() !== this.id && event.getType() === "m.room.message";
            if (fromOthers && liveEvent && !atStart) this.heard.push(event.getContent().body);
        });
        await this.client.startClient({ initialSyncLimit, pollTimeout: 10_000, ...options });
        await this.sees(() => this.client.isInitialSyncComplete(), "its first sync");
    }

    /** Ends what would keep the process alive. */
    leavesTheStage() {
        this.client.stopClient();
    }

    async createsRoom(name, invited = []) {
        const invite = invited.map(({ id }) => id);
        return (await this.client.createRoom({ name, invite, preset: sdk.Preset.PrivateChat })).room_id;
    }

    async joins(room) {
        await this.client.joinRoom(room);
        await this.sees(() => this.membership(room) === "join", "the joined room");
    }

    async says(room, body) {
        return (await this.client.sendTextMessage(room, body)).event_id;
    }

    /** The newest page of a room's timeline that the client holds. */
    timeline(room) {
        return this.client.getRoom(room).getLiveTimeline().getEvents();
    }

    /** This person's own standing in a room. */
    membership(room) {
        return this.client.getRoom(room)?.getMyMembership();
    }

    async hears(body) {
        await this.sees(() => this.heard.includes(body), `“${body}”`);
    }

    async seesEvent(room, event) {
        await this.sees(() => this.client.getRoom(room)?.findEventById(event), event);
        return this.client.getRoom(room).findEventById(event);
    }

    async sees(there, what) {
        const end = Date.now() + PATIENCE_MS;
        while (!there()) {
            assert.notEqual(this.client.getSyncState(), sdk.SyncState.Error, `the sync loop of ${this.name} broke`);
            assert.ok(Date.now() < end, `${this.name} never saw ${what}; heard ${JSON.stringify(this.heard)}`);
            await pause(10);
        }
    }
}

/** Alice and Bob, registered, logged in and listening; afterwards they leave, however the play went. */
export async function withTwoPeople(url, play) {
    const people = [new Person(url, "alice"), new Person(url, "bob")];
    try {
        for (const person of people) {
            await person.registers();
            await person.logsIn();
            await person.listens();
        }
        await play(...people);
    } finally {
        for (const person of people) person.leavesTheStage();
    }
}

/** Alice makes a room, and Bob joins it by her invitation. */
export async function shareARoom(alice, bob) {
    const room = await alice.createsRoom("The garden", [bob]);
    await bob.sees(() => bob.membership(room) === "invite", "the invitation");
    await bob.joins(room);
    await alice.sees(() => alice.client.getRoom(room)?.getMember(bob.id)?.membership === "join", "Bob come in");
    return room;
}

/** The same person at a second device, which does not listen yet. */
export async function atAnotherDevice(person, play) {
    const other = new Person(person.url, "other");
    other.name = person.name;
    await other.logsIn();
    try {
        await play(other);
    } finally {
        other.leavesTheStage();
    }
}
