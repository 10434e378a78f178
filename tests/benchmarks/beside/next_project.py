"""The work in Next.js: Route Handlers, which are built once, and served by its own server in one process."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from beside.project import url

DIRECTORY = "BENCHMARK_NEXT"
"""Where the project is, in the environment of a server."""
RECORDS = """
const records = Array.from({ length: 10000 }, (_, number) => ({
  id: 10000 + number, name: "Oak Chair 7", price: 449.5, stock: 120,
}));
"""
ROWS = """
import { Pool } from "pg";

const pool = (globalThis.pool ??= new Pool({ connectionString: process.env.DATABASE_URL, max: 32 }));
const columns = "SELECT id::int, name, price, stock FROM product";

export async function one(number) {
  return (await pool.query(`${columns} WHERE id = $1`, [number])).rows[0];
}

export async function all() {
  return (await pool.query(`${columns} ORDER BY id`)).rows;
}
"""
SMALL = """
export const dynamic = "force-dynamic";

export async function GET() {
  return Response.json({ id: 7, name: "Oak Chair" });
}
"""
ORDERS = """
import { z } from "zod";

const order = z.object({
  customer: z.object({
    name: z.string().min(1).max(100), email: z.string(), phone: z.string().nullable().default(null),
  }),
  address: z.object({ street: z.string(), city: z.string(), postcode: z.string(), country: z.string().length(2) }),
  items: z.array(z.object({ product: z.int(), quantity: z.int().min(1), price: z.number() })),
  currency: z.enum(["EUR", "GBP", "USD"]),
  note: z.string().default(""),
  express: z.boolean().default(false),
  tags: z.array(z.string()).default([]),
});

export async function POST(request) {
  const found = order.safeParse(await request.json());
  if (!found.success) {
    return Response.json({ errors: found.error.issues }, { status: 422 });
  }
  const total = found.data.items.reduce((sum, item) => sum + item.price * item.quantity, 0);
  return Response.json({ id: 7, total, ...found.data });
}
"""
ROW = """
import { one } from "../../rows";

export const dynamic = "force-dynamic";

export async function GET() {
  return Response.json(await one(7));
}
"""
CACHED = """
import { all } from "../../rows";

export const dynamic = "force-static";
export const revalidate = 3600;

export async function GET() {
  return Response.json({ products: await all() });
}
"""
LINES = f"""{RECORDS}
export const dynamic = "force-dynamic";

const encoder = new TextEncoder();

function* lines() {{
  for (const one of records) {{
    yield encoder.encode(JSON.stringify(one) + "\\n");
  }}
}}

export async function GET() {{
  const iterator = lines();
  const stream = new ReadableStream({{
    pull(controller) {{
      const {{ value, done }} = iterator.next();
      done ? controller.close() : controller.enqueue(value);
    }},
  }});
  return new Response(stream, {{ headers: {{ "Content-Type": "application/x-ndjson" }} }});
}}
"""
ROUTES = {"json": SMALL, "orders": ORDERS, "row": ROW, "cached": CACHED, "lines": LINES}
LAYOUT = """
export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>;
}
"""
CONFIG = """
export default { compress: false, poweredByHeader: false, turbopack: { root: import.meta.dirname } };
"""


def settings() -> dict[str, str]:
    """Return the environment that it is built and served in."""
    return os.environ | {"DATABASE_URL": url(), "NEXT_TELEMETRY_DISABLED": "1", "NODE_ENV": "production"}


def build(directory: Path, *, has_database: bool) -> None:
    """Write the project beside its packages, and build it."""
    app = directory / "app"
    shutil.rmtree(app, ignore_errors=True)
    shutil.rmtree(directory / ".next", ignore_errors=True)
    app.mkdir()
    (app / "layout.js").write_text(LAYOUT)
    (directory / "rows.js").write_text(ROWS)
    (directory / "next.config.mjs").write_text(CONFIG)
    for name, text in ROUTES.items():
        # It is built with what it answers, which is read then.
        if has_database or name not in ("row", "cached"):
            (app / name).mkdir()
            (app / name / "route.js").write_text(text)
    program = directory / "node_modules" / "next" / "dist" / "bin" / "next"
    done = subprocess.run(
        ["node", program, "build"], cwd=directory, env=settings(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise RuntimeError(f"next build: {done.stdout.decode()[-2000:]}")


def serve(port: int, _middleware: int, _routes: int) -> Any:
    """Be its server."""
    directory = os.environ[DIRECTORY]
    program = f"{directory}/node_modules/next/dist/bin/next"
    os.chdir(directory)
    os.execvpe("node", ["node", program, "start", "-H", "127.0.0.1", "-p", str(port)], settings())
