/** Serves a built web client from a folder on the loopback address, as a client's own web server would. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";

const TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
};

/** The client's URL and a function that closes it; `config` takes the place of its config.json. */
export async function serveClient(folder, config) {
    const root = path.resolve(folder);
    const server = createServer(async (request, response) => {
        const { pathname } = new URL(request.url, "http://127.0.0.1");
        if (pathname === "/config.json") {
            response.setHeader("Content-Type", TYPES[".json"]);
            response.end(JSON.stringify(config));
            return;
        }
        const file = await find(root, decodeURIComponent(pathname));
        response.setHeader("Content-Type", TYPES[path.extname(file.name)] ?? "application/octet-stream");
        response.end(file.content);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const close = () => {
        server.close();
        server.closeAllConnections();
    };
    return { url: `http://127.0.0.1:${server.address().port}`, close };
}

/** The file of a path; below a view's path the client asks for files of its root too; any other path is a view. */
async function find(root, pathname) {
    for (const place of [pathname, path.basename(pathname), "index.html"]) {
        const name = path.join(root, path.normalize(place));
        try {
            return { name, content: await readFile(name) };
        } catch (error) {
            if (!["ENOENT", "EISDIR", "ENOTDIR"].includes(error.code) || place === "index.html") throw error;
        }
    }
}
