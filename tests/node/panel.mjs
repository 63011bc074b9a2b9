// Clients of others speak to the gateway, one question a line on standard input, its answer a line on standard output.
//
//     node panel.mjs LIBRARY URL KEY          {"action": "add", "service": 1, ...}  ->  {"reply": ...} or {"failed": "..."}
//
// Each library builds what it offers from the gateway's own openapi.json or speaks by its paths; nothing here writes HTTP.
import { createInterface } from "node:readline";

import { OpenAPIClientAxios } from "openapi-client-axios";
import createClient from "openapi-fetch";

const LIBRARIES = {
  // The document is read and an operation of it called, over Node's http: a JSON body, axios's Accept and User-Agent.
  async axios(url, key) {
    const api = new OpenAPIClientAxios({
      definition: new URL("/openapi.json", url).href,
      axiosConfigDefaults: { baseURL: new URL("/", url).href, proxy: false, timeout: 20_000 },
    });
    const client = await api.init();
    return async (fields) => (await client.ask(null, { key, ...fields })).data;
  },

  // The same as a form: what most panels' own programs send.
  async "axios-form"(url, key) {
    const api = new OpenAPIClientAxios({
      definition: new URL("/openapi.json", url).href,
      axiosConfigDefaults: { baseURL: new URL("/", url).href, proxy: false, timeout: 20_000 },
    });
    const client = await api.init();
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    return async (fields) => (await client.ask(null, { key, ...fields }, { headers })).data;
  },

  // Node's fetch: chunked or not as it likes, a kept connection, gzip and brotli asked for; the key as a header.
  async fetch(url, key) {
    const client = createClient({ baseUrl: new URL(url).origin, headers: { "X-Api-Key": key } });
    return async (fields) => {
      const { data, error } = await client.POST("/api/v2", { body: fields });
      return data ?? error;
    };
  },
};

const [library, url, key] = process.argv.slice(2);
const ask = await LIBRARIES[library](url, key);
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { reply: await ask(JSON.parse(line)) };
  } catch (error) {
    answer = { failed: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
