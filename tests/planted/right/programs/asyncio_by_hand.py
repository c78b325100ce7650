"""An event loop of the standard library, with no import of calcbench."""

import asyncio
import sys


async def converse(reader, writer):
    """Serve one client until it leaves."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            await reader.readexactly(length)
            _, path, version = head.partition(b"\r\n")[0].split()
            try:
                _, name, left, right = path.decode().split("/")
                result = int(left) + int(right) if name == "add" else int(left) * int(right)
                status, text = "200 OK", str(result)
            except ValueError:
                status, text = "404 Not Found", "try /add/2/3"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
            await writer.drain()
            if b"connection: close" in head.lower() or version == b"HTTP/1.0":
                break
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    """Serve for ever."""
    server = await asyncio.start_server(converse, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


asyncio.run(main())
