"""The programs of docs/sdk.md, as they stand there but for the socket and the flow: one reads what the other produces."""

import os
import re
import subprocess
import sys
import time

import flypack

with open(sys.argv[1]) as text:
    blocks = re.findall(r"^```python\n(.*?)^```", text.read(), re.DOTALL | re.MULTILINE)
programs = {block.splitlines()[0]: block for block in blocks}
assert len(programs) == len(blocks) == 2, list(programs)
socket = os.environ["FLYPACK_SOCKET"]
running = []


def run(name):
    program = programs[f"# {name}.py"].replace("/run/flypack/broker.sock", socket).replace("cam-1", "gfx")
    assert socket in program
    running.append(subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True))
    return running[-1]


try:
    producer = run("producer")
    session = flypack.Session(socket)
    while not session.flows():
        assert producer.poll() is None, "the producer has ended"
        time.sleep(0.01)
    consumer = run("consumer")
    lines = [consumer.stdout.readline().split() for _ in range(3)]
    assert all(mean == "128.0" for _, mean in lines), lines
    indices = [int(index) for index, _ in lines]
    assert indices == sorted(set(indices)), indices
    assert producer.poll() is None, "the producer has ended"
finally:
    for process in reversed(running):
        process.kill()
        process.communicate()
