"""cli_mt.py - ZooKeeper's own C client as a command line (Debian's zookeeper-bin), one command at a time.

What it says comes from the client library: answers, watch events, the session and its connections.
"""
import os
import re
import subprocess
import threading

from cluster import Failed, wait_for

CLI = "/usr/lib/zookeeper/bin/cli_mt"


class Cli:
    """Connected to one of hosts ("address:port,..."); ends with the block."""

    def __init__(self, hosts):
        self.hosts, self.said, self.process = hosts, "", None

    def __enter__(self):
        self.process = subprocess.Popen([CLI, self.hosts], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        threading.Thread(target=self.listen, daemon=True).start()
        wait_for("the session of a client of " + self.hosts, lambda: "Got a new session id" in self.said)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def listen(self):
        for chunk in iter(lambda: os.read(self.process.stdout.fileno(), 4096), b""):
            self.said += chunk.decode(errors="replace")

    def write(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def do(self, command):
        """What it says to command, up to the answer's time."""
        before = len(self.said)
        self.write(command)
        wait_for("an answer to " + command, lambda: "rc = " in self.said[before:])
        wait_for("all of it", lambda: self.said.endswith("\n"))
        return self.said[before:]

    def session(self):
        """Its session's id: it tells of each new one."""
        return re.findall(r"Got a new session id: (0x[0-9a-f]+)", self.said)[-1]

    def quit(self):
        """Closes the session, as a client that ends does."""
        self.write("quit")
        if self.process.wait(20):
            raise Failed("the client ended with status %d" % self.process.returncode)
