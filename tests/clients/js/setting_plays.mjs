/** Plays about what people set for themselves: names, account data, tags, push rules, filters, marks. */
import assert from "node:assert/strict";

import * as sdk from "matrix-js-sdk";

import { Person, atAnotherDevice, shareARoom } from "./person.mjs";

const FACE = "mxc://example.org/face";

const unread = (person, room, kind = sdk.NotificationCountType.Total) =>
    person.client.getRoom(room).getUnreadNotificationCount(kind);

export const settingPlays = {
    async "Alice takes another name and a time zone"(alice, bob) {
        const room = await shareARoom(alice, bob);
        await alice.client.setDisplayName("Alice Liddell");
        await alice.client.setAvatarUrl(FACE);
        const member = bob.client.getRoom(room).getMember(alice.id);
        await bob.sees(() => member.rawDisplayName === "Alice Liddell", "the name");
        await bob.sees(() => member.getMxcAvatarUrl() === FACE, "the face");
        assert.ok(await bob.client.doesServerSupportExtendedProfiles());
        await alice.client.setExtendedProfileProperty("m.tz", "Europe/Zurich");
        const profile = { displayname: "Alice Liddell", avatar_url: FACE, "m.tz": "Europe/Zurich" };
        assert.deepEqual(await bob.client.getExtendedProfile(alice.id), profile);
        assert.equal(await bob.client.getExtendedProfileProperty(alice.id, "m.tz"), "Europe/Zurich");
        await alice.client.deleteExtendedProfileProperty("m.tz");
        assert.equal(await alice.client.getExtendedProfileProperty(alice.id, "m.tz"), undefined);
    },

    async "what Alice notes down is on all her devices"(alice) {
        await atAnotherDevice(alice, async (other) => {
            await other.listens();
            await alice.client.setAccountData("org.example.notes", { text: "Buy tea" });
            await other.sees(() => other.client.getAccountData("org.example.notes"), "the note");
            assert.deepEqual(other.client.getAccountData("org.example.notes").getContent(), { text: "Buy tea" });
            assert.deepEqual(await other.client.getAccountDataFromServer("org.example.notes"), { text: "Buy tea" });
            assert.equal(await other.client.getAccountDataFromServer("org.example.none"), null);
        });
    },

    async "a room has Alice's note and tag, and nobody else's"(alice, bob) {
        const room = await shareARoom(alice, bob);
        await alice.client.setRoomAccountData(room, "org.example.color", { color: "green" });
        await alice.client.setRoomTag(room, "m.favourite", { order: 0.5 });
        const seen = alice.client.getRoom(room);
        await alice.sees(() => seen.getAccountData("org.example.color")?.getContent().color === "green", "the color");
        await alice.sees(() => seen.tags["m.favourite"]?.order === 0.5, "the tag");
        assert.deepEqual(await alice.client.getRoomTags(room), { tags: { "m.favourite": { order: 0.5 } } });
        assert.deepEqual(await bob.client.getRoomTags(room), { tags: {} });
        await alice.client.deleteRoomTag(room, "m.favourite");
        await alice.sees(() => !("m.favourite" in seen.tags), "the tag go");
        assert.equal(bob.client.getRoom(room).getAccountData("org.example.color"), undefined);
    },

    async "whom Alice ignores she does not hear"(alice, bob) {
        const room = await shareARoom(alice, bob);
        await alice.client.setIgnoredUsers([bob.id]);
        await alice.sees(() => alice.client.isUserIgnored(bob.id), "her own list");
        await bob.says(room, "Can you hear me?");
        await alice.client.setAccountData("org.example.notes", { text: "Quiet here" });
        await alice.sees(() => alice.client.getAccountData("org.example.notes"), "what came after it");
        await alice.client.setIgnoredUsers([]);
        await alice.sees(() => !alice.client.isUserIgnored(bob.id), "the empty list");
        await bob.says(room, "And now?");
        await alice.hears("And now?");
        assert.deepEqual(alice.heard, ["And now?"]);
    },

    async "a push rule of Alice's own reaches her other device"(alice) {
        await atAnotherDevice(alice, async (other) => {
            await other.listens();
            const content = () => other.client.pushRules?.global.content.map((rule) => rule.rule_id) ?? [];
            const actions = [sdk.PushRuleActionName.Notify, { set_tweak: "highlight" }];
            await alice.client.addPushRule("global", "content", "tea", { pattern: "tea", actions });
            await other.sees(() => content().includes("tea"), "the new rule");
            await alice.client.setPushRuleEnabled("global", "content", "tea", false);
            const rule = () => other.client.pushRules.global.content.find(({ rule_id }) => rule_id === "tea");
            await other.sees(() => rule()?.enabled === false, "the rule switched off");
            await alice.client.setPushRuleActions("global", "content", "tea", [sdk.PushRuleActionName.Notify]);
            await other.sees(() => rule()?.actions.length === 1, "the rule's new actions");
            await alice.client.deletePushRule("global", "content", "tea");
            await other.sees(() => !content().includes("tea"), "the rule go");
            const rules = await other.client.getPushRules();
            assert.ok(rules.global.override.some(({ rule_id }) => rule_id === ".m.rule.master"));
        });
    },

    async "a room that Alice has muted does not count"(alice, bob) {
        const room = await shareARoom(alice, bob);
        await alice.client.setRoomMutePushRule("global", room, true);
        await alice.sees(() => alice.client.getRoomPushRule("global", room) !== undefined, "her own rule");
        await bob.says(room, "not counted");
        await alice.hears("not counted");
        assert.equal(unread(alice, room), 0);
    },

    async "a mention highlights until it is read"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const mentions = { user_ids: [alice.id] };
        await bob.client.sendMessage(room, { msgtype: "m.text", body: "You there!", "m.mentions": mentions });
        const answer = await bob.says(room, "Please come");
        await alice.sees(() => unread(alice, room) === 2, "two unread messages");
        assert.equal(unread(alice, room, sdk.NotificationCountType.Highlight), 1);
        await alice.client.sendReadReceipt(await alice.seesEvent(room, answer));
        await alice.sees(() => unread(alice, room, sdk.NotificationCountType.Highlight) === 0, "no highlight");
        await alice.sees(() => unread(alice, room) === 0, "nothing unread");
    },

    async "a thread is counted apart"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const root = await alice.says(room, "What about roses?");
        const relation = { rel_type: "m.thread", event_id: root, is_falling_back: true, "m.in_reply_to": { event_id: root } };
        const said = (body) => ({ msgtype: "m.text", body, "m.relates_to": relation });
        await bob.client.sendMessage(room, said("Red ones"));
        const last = (await bob.client.sendMessage(room, said("And white ones"))).event_id;
        await bob.says(room, "Elsewhere");
        const counts = async () => {
            const filter = JSON.stringify({ room: { timeline: { unread_thread_notifications: true, limit: 1 } } });
            const { rooms } = await alice.client.http.authedRequest("GET", "/sync", { filter, timeout: 0 });
            const { unread_notifications: main, unread_thread_notifications: threads } = rooms.join[room];
            return [main.notification_count, threads?.[root]?.notification_count ?? 0];
        };
        assert.deepEqual(await counts(), [1, 2]);
        const receipt = `/rooms/${encodeURIComponent(room)}/receipt/m.read/${encodeURIComponent(last)}`;
        await alice.client.http.authedRequest("POST", receipt, undefined, { thread_id: root });
        assert.deepEqual(await counts(), [1, 0]);
    },

    async "Alice marks how far she has read"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const first = await bob.says(room, "one");
        const second = await alice.seesEvent(room, await bob.says(room, "two"));
        await alice.client.setRoomReadMarkers(room, first, undefined, second);
        const mark = () => alice.client.getRoom(room).getAccountData("m.fully_read")?.getContent().event_id;
        await alice.sees(() => mark() === first, "her own mark");
        await alice.sees(() => unread(alice, room) === 0, "nothing unread");
        await alice.says(room, "a sign");
        await bob.hears("a sign");
        const read = bob.client.getRoom(room).getReadReceiptForUserId(alice.id, true)?.eventId;
        assert.notEqual(read, second.getId(), "a private receipt is nobody else's business");
    },

    async "only who speaks is introduced"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const carol = new Person(alice.url, "carol");
        await carol.registers();
        await carol.logsIn();
        await carol.listens();
        try {
            await alice.client.invite(room, carol.id);
            await carol.joins(room);
            await alice.says(room, "Good morning");
            await atAnotherDevice(bob, async (other) => {
                await other.listens(1, { lazyLoadMembers: true });
                const seen = other.client.getRoom(room);
                assert.ok(seen.getMember(alice.id), "who spoke is known");
                assert.equal(seen.getMember(carol.id), null, "who did not is not");
                assert.equal(seen.getJoinedMemberCount(), 3, "but counted");
                await seen.loadMembersIfNeeded();
                assert.equal(seen.getMember(carol.id).membership, "join");
            });
        } finally {
            carol.leavesTheStage();
        }
    },

    async "a stored filter does what it says"(alice, bob) {
        const room = await shareARoom(alice, bob);
        for (const line of ["one", "two", "three"]) await bob.says(room, line);
        const content = { room: { timeline: { limit: 2, types: ["m.room.message"] }, state: { types: [] } } };
        const filter = await alice.client.createFilter(content);
        assert.deepEqual(filter.getDefinition(), content);
        assert.deepEqual((await alice.client.getFilter(alice.id, filter.filterId, false)).getDefinition(), content);
        const query = { filter: filter.filterId, timeout: 0 };
        const { rooms } = await alice.client.http.authedRequest("GET", "/sync", query);
        assert.deepEqual(rooms.join[room].timeline.events.map((event) => event.content.body), ["two", "three"]);
        assert.deepEqual(rooms.join[room].state?.events ?? [], []);
    },
};
