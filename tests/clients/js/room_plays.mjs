/** Plays about rooms and who is in them: addresses, kicks and bans, knocking, looking back, upgrades. */
import assert from "node:assert/strict";

import * as sdk from "matrix-js-sdk";

import { atAnotherDevice, refusal, shareARoom } from "./person.mjs";

/** Status and errcode of a refusal. */
async function refused(promise) {
    const { status, errcode } = await refusal(promise);
    return [status, errcode];
}

const serverOf = (person) => person.id.slice(person.id.indexOf(":") + 1);

async function createsPublicRoom(person, name) {
    const wish = { name, preset: sdk.Preset.PublicChat, room_alias_name: person.name };
    return (await person.client.createRoom(wish)).room_id;
}

/** The membership of one in a room, as another's client knows it. */
const membership = (watcher, room, person) => watcher.client.getRoom(room)?.getMember(person.id)?.membership;

export const roomPlays = {
    async "Bob comes in by the address"(alice, bob) {
        const room = await createsPublicRoom(alice, "The park");
        const address = `#${alice.name}:${serverOf(alice)}`;
        await alice.sees(() => alice.client.getRoom(room)?.getCanonicalAlias() === address, "the address");
        assert.deepEqual(await bob.client.getRoomIdForAlias(address), { room_id: room, servers: [serverOf(alice)] });
        await bob.client.joinRoom(address);
        await bob.sees(() => bob.membership(room) === "join", "the joined room");
        const second = `#second-${alice.name}:${serverOf(alice)}`;
        await alice.client.createAlias(second, room);
        assert.deepEqual(await refused(bob.client.createAlias(second, room)), [409, "M_UNKNOWN"]);
        assert.deepEqual((await bob.client.getLocalAliases(room)).aliases.sort(), [address, second].sort());
        assert.deepEqual(await refused(bob.client.deleteAlias(second)), [403, "M_FORBIDDEN"]);
        await alice.client.deleteAlias(second);
        assert.deepEqual(await refused(bob.client.getRoomIdForAlias(second)), [404, "M_NOT_FOUND"]);
    },

    async "Bob looks up who is there"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const { joined } = await bob.client.getJoinedRoomMembers(room);
        assert.deepEqual(Object.keys(joined).sort(), [alice.id, bob.id].sort());
        assert.deepEqual((await bob.client.getJoinedRooms()).joined_rooms, [room]);
        const { chunk } = await bob.client.members(room, "join");
        assert.deepEqual(chunk.map((event) => event.state_key).sort(), [alice.id, bob.id].sort());
    },

    async "Bob is kicked and comes back"(alice, bob) {
        const room = await shareARoom(alice, bob);
        assert.deepEqual(await refused(bob.client.kick(room, alice.id)), [403, "M_FORBIDDEN"]);
        await alice.client.kick(room, bob.id, "too loud");
        await bob.sees(() => bob.membership(room) === "leave", "himself go");
        const kick = bob.client.getRoom(room).getMember(bob.id).events.member;
        assert.deepEqual([kick.getSender(), kick.getContent().reason], [alice.id, "too loud"]);
        await alice.client.invite(room, bob.id);
        await bob.sees(() => bob.membership(room) === "invite", "the invitation");
        await bob.joins(room);
        await bob.says(room, "Here again");
        await alice.hears("Here again");
    },

    async "a ban holds until it is lifted"(alice, bob) {
        const room = await shareARoom(alice, bob);
        await alice.client.ban(room, bob.id, "spam");
        await bob.sees(() => bob.membership(room) === "ban", "the ban");
        assert.deepEqual(await refused(bob.client.joinRoom(room)), [403, "M_FORBIDDEN"]);
        assert.deepEqual(await refused(alice.client.invite(room, bob.id)), [403, "M_FORBIDDEN"]);
        await alice.client.unban(room, bob.id);
        await alice.sees(() => membership(alice, room, bob) === "leave", "the ban lifted");
        await alice.client.invite(room, bob.id);
        await bob.sees(() => bob.membership(room) === "invite", "the invitation");
        await bob.joins(room);
    },

    async "Bob knocks and is let in"(alice, bob) {
        const room = await alice.createsRoom("The garden");
        assert.deepEqual(await refused(bob.client.knockRoom(room)), [403, "M_FORBIDDEN"]);
        await alice.client.sendStateEvent(room, "m.room.join_rules", { join_rule: "knock" }, "");
        await bob.client.knockRoom(room, { reason: "I smell roses" });
        await bob.sees(() => bob.membership(room) === "knock", "his own knock");
        await bob.sees(() => bob.client.getRoom(room).name === "The garden", "at which door he knocks");
        await alice.sees(() => membership(alice, room, bob) === "knock", "Bob knock");
        await alice.client.invite(room, bob.id);
        await bob.sees(() => bob.membership(room) === "invite", "the invitation");
        await bob.joins(room);
        await alice.sees(() => membership(alice, room, bob) === "join", "Bob come in");
    },

    async "Bob takes his knock back"(alice, bob) {
        const room = await alice.createsRoom("The garden");
        await alice.client.sendStateEvent(room, "m.room.join_rules", { join_rule: "knock" }, "");
        await bob.client.knockRoom(room);
        await alice.sees(() => membership(alice, room, bob) === "knock", "Bob knock");
        await bob.client.leave(room);
        await bob.sees(() => bob.membership(room) === "leave", "the knock gone");
        await alice.sees(() => membership(alice, room, bob) === "leave", "Bob go away");
    },

    async "Bob forgets the garden"(alice, bob) {
        const room = await shareARoom(alice, bob);
        assert.equal((await refused(bob.client.forget(room, false)))[0], 400);
        await bob.client.leave(room);
        await bob.sees(() => bob.membership(room) === "leave", "himself leave");
        await bob.client.roomState(room);
        await bob.client.forget(room);
        assert.deepEqual(await refused(bob.client.roomState(room)), [403, "M_FORBIDDEN"]);
    },

    async "Bob looks around an event, and at a day"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const ids = [];
        for (let number = 0; number < 30; number++) ids.push(await alice.says(room, `line ${number}`));
        await atAnotherDevice(bob, async (later) => {
            await later.listens(1);
            const set = later.client.getRoom(room).getUnfilteredTimelineSet();
            const timeline = await later.client.getEventTimeline(set, ids[15]);
            const texts = () => timeline.getEvents().map((event) => event.getContent().body).filter(Boolean);
            assert.ok(texts().includes("line 15"));
            while (await later.client.paginateEventTimeline(timeline, { backwards: true, limit: 10 }));
            assert.equal(texts()[0], "line 0");
            assert.deepEqual(texts(), Array.from({ length: texts().length }, (_, number) => `line ${number}`));
            const first = (await bob.client.fetchRoomEvent(room, ids[0])).origin_server_ts;
            const found = await later.client.timestampToEvent(room, first, sdk.Direction.Forward);
            assert.equal((await bob.client.fetchRoomEvent(room, found.event_id)).origin_server_ts, first);
        });
    },

    async "a room that Bob has left shows what he saw"(alice, bob) {
        const room = await shareARoom(alice, bob);
        await alice.says(room, "Before he goes");
        await bob.hears("Before he goes");
        await bob.client.leave(room);
        await bob.sees(() => bob.membership(room) === "leave", "himself leave");
        await alice.says(room, "After he has gone");
        await atAnotherDevice(bob, async (later) => {
            await later.listens();
            const [left] = await later.client.syncLeftRooms();
            assert.equal(left.roomId, room);
            await later.client.scrollback(left, 20);
            const events = left.getLiveTimeline().getEvents();
            assert.equal(events.at(-1).getContent().membership, "leave");
            assert.deepEqual(events.map((event) => event.getContent().body).filter(Boolean), ["Before he goes"]);
        });
    },

    async "the room moves, and Bob follows"(alice, bob) {
        const wish = { name: "The garden", preset: sdk.Preset.PublicChat, room_version: "10" };
        const { room_id: room } = await alice.client.createRoom(wish);
        await bob.joins(room);
        await alice.sees(() => membership(alice, room, bob) === "join", "Bob come in");
        assert.equal((await refused(bob.client.upgradeRoom(room, "12")))[1], "M_FORBIDDEN");
        const { replacement_room: next } = await alice.client.upgradeRoom(room, "12");
        const tombstone = () => bob.client.getRoom(room).currentState.getStateEvents("m.room.tombstone", "");
        await bob.sees(() => tombstone()?.getContent().replacement_room === next, "where it went");
        await bob.joins(next);
        await bob.sees(() => bob.client.getRoom(next).name === "The garden", "the name");
        assert.equal(bob.client.getRoom(next).getVersion(), "12");
        assert.equal(bob.client.getRoom(next).findPredecessor().roomId, room);
        assert.deepEqual(await refused(bob.client.sendTextMessage(room, "Anybody?")), [403, "M_FORBIDDEN"]);
    },

    async "a logout everywhere ends what waits"(alice) {
        const ended = new Promise((resolve) => alice.client.on(sdk.HttpApiEvent.SessionLoggedOut, resolve));
        const start = Date.now();
        await atAnotherDevice(alice, async (other) => {
            await other.client.http.authedRequest("POST", "/logout/all", undefined, {});
        });
        assert.equal((await ended).errcode, "M_UNKNOWN_TOKEN");
        assert.ok(Date.now() - start < 3000, "its sync had ten seconds to wait");
        await alice.logsIn();
    },
};
