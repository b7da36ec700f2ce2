/**
 * Plays for people who use matrix-js-sdk. `node plays.mjs` lists their names, `node plays.mjs URL NAME` gives one:
 * exit code 0 when it came to its end.
 */
import assert from "node:assert/strict";

import * as sdk from "matrix-js-sdk";

import { Person, refusal, shareARoom, withTwoPeople } from "./person.mjs";
import { roomPlays } from "./room_plays.mjs";
import { settingPlays } from "./setting_plays.mjs";

const talk = {
    async "an invitation shows who and where"(alice, bob) {
        const room = await alice.createsRoom("The garden");
        await alice.client.invite(room, bob.id);
        await bob.sees(() => bob.membership(room) === "invite", "the invitation");
        const invited = bob.client.getRoom(room);
        await bob.sees(() => invited.name === "The garden", "the room's name");
        assert.equal(invited.getDMInviter() ?? invited.getMember(bob.id).events.member.getSender(), alice.id);
    },

    async "they talk both ways, in order, and once"(alice, bob) {
        const room = await shareARoom(alice, bob);
        await alice.says(room, "Good morning");
        await bob.hears("Good morning");
        await bob.says(room, "Good morning yourself");
        await alice.hears("Good morning yourself");
        const lines = Array.from({ length: 10 }, (_, number) => `line ${number}`);
        for (const line of lines) await alice.says(room, line);
        await bob.hears("line 9");
        assert.deepEqual(bob.heard, ["Good morning", ...lines]);
        assert.deepEqual(alice.heard, ["Good morning yourself"]);
        const texts = alice.timeline(room).map((event) => event.getContent().body).filter(Boolean);
        assert.deepEqual(texts, ["Good morning", "Good morning yourself", ...lines], "the sender's echoes are matched");
    },

    async "the room is called what Alice calls it"(alice, bob) {
        const room = await shareARoom(alice, bob);
        assert.equal(bob.client.getRoom(room).name, "The garden");
        await alice.client.setRoomName(room, "The orchard");
        await bob.sees(() => bob.client.getRoom(room).name === "The orchard", "the new name");
        const refused = await refusal(bob.client.setRoomName(room, "Mine"));
        assert.deepEqual([refused.status, refused.errcode], [403, "M_FORBIDDEN"]);
    },

    async "Bob comes late and pages back to the beginning"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const lines = Array.from({ length: 30 }, (_, number) => `line ${number}`);
        for (const line of lines) await alice.says(room, line);
        const later = new Person(bob.url, "later");
        later.name = bob.name;
        await later.logsIn();
        try {
            await later.listens(5);
            const texts = () => later.timeline(room).map((event) => event.getContent().body).filter(Boolean);
            assert.deepEqual(texts(), lines.slice(-5));
            for (let page = 0; page < 10 && later.timeline(room)[0].getType() !== "m.room.create"; page++) {
                await later.client.scrollback(later.client.getRoom(room), 10);
            }
            assert.deepEqual(texts(), lines);
            assert.equal(later.timeline(room)[0].getType(), "m.room.create");
        } finally {
            later.leavesTheStage();
        }
    },

    async "Alice takes a word back"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const id = await alice.says(room, "I should not have said this");
        const event = await bob.seesEvent(room, id);
        const refused = await refusal(bob.client.redactEvent(room, id));
        assert.deepEqual([refused.status, refused.errcode], [403, "M_FORBIDDEN"]);
        await alice.client.redactEvent(room, id, undefined, { reason: "second thoughts" });
        await bob.sees(() => event.isRedacted(), "the redaction");
        assert.deepEqual(event.getContent(), {});
        assert.equal(event.getUnsigned().redacted_because.content.reason, "second thoughts");
        const fetched = await bob.client.fetchRoomEvent(room, id);
        assert.deepEqual(fetched.content, {});
        assert.equal(fetched.unsigned.redacted_because.sender, alice.id);
    },

    async "they see each other type"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const types = (watcher, typist) => watcher.client.getRoom(room).getMember(typist.id).typing;
        await alice.client.sendTyping(room, true, 10_000);
        await bob.sees(() => types(bob, alice), "Alice type");
        await bob.client.sendTyping(room, true, 10_000);
        await alice.sees(() => types(alice, bob), "Bob type");
        await alice.client.sendTyping(room, false, 0);
        await bob.sees(() => !types(bob, alice), "Alice stop typing");
        assert.ok(types(alice, bob), "Bob still types");
    },

    async "they see each other read"(alice, bob) {
        const room = await shareARoom(alice, bob);
        const unread = () => bob.client.getRoom(room).getUnreadNotificationCount(sdk.NotificationCountType.Total);
        await alice.says(room, "one");
        const question = await alice.says(room, "two");
        const asked = await bob.seesEvent(room, question);
        await bob.sees(() => unread() === 2, "two unread messages");
        await bob.client.sendReadReceipt(asked);
        await alice.sees(() => alice.client.getRoom(room).getEventReadUpTo(bob.id) === question, "Bob's receipt");
        await bob.sees(() => unread() === 0, "nothing unread");
        await alice.says(room, "three");
        await bob.hears("three");
        await bob.sees(() => unread() === 1, "that the server counts from the receipt on");
        const answered = await alice.seesEvent(room, await bob.says(room, "four"));
        await alice.client.sendReadReceipt(answered, sdk.ReceiptType.Read, true);
        await bob.sees(() => bob.client.getRoom(room).getEventReadUpTo(alice.id) === answered.getId(), "Alice's receipt");
    },

    async "Bob leaves and is gone"(alice, bob) {
        const room = await shareARoom(alice, bob);
        await bob.client.leave(room);
        await bob.sees(() => bob.membership(room) === "leave", "himself leave");
        await alice.sees(() => alice.client.getRoom(room).getMember(bob.id).membership === "leave", "Bob go");
        const refused = await refusal(bob.client.joinRoom(room));
        assert.deepEqual([refused.status, refused.errcode], [403, "M_FORBIDDEN"]);
        await alice.says(room, "Now that he is gone");
        const next = await alice.createsRoom("Another room", [bob]);
        await bob.sees(() => bob.membership(next) === "invite", "the next invitation");
        assert.deepEqual(bob.heard, [], "what is said after he left is not for him");
    },

    async "after the logout the token is worth nothing"(alice) {
        const token = alice.client.getAccessToken();
        await alice.client.logout(true);
        const ghost = sdk.createClient({ baseUrl: alice.url, accessToken: token });
        const refused = await refusal(ghost.whoami());
        assert.deepEqual([refused.status, refused.errcode], [401, "M_UNKNOWN_TOKEN"]);
        assert.notEqual(refused.data.soft_logout, true);
        await alice.logsIn();
    },
};

const plays = { ...talk, ...settingPlays, ...roomPlays };
const [url, name] = process.argv.slice(2);
if (url === undefined) {
    for (const title of Object.keys(plays)) console.log(title);
} else {
    await withTwoPeople(url, plays[name]);
    console.log(`the end of: ${name}`);
    process.exit(); // timers of the library would hold the process for another minute
}
