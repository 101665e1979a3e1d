import { Client } from "pg";

/** What the server answers to one statement, past the engine. */
export async function queryOn(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
