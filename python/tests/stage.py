"""What the tests beside it share: a program that produces and reads at once."""

import time
from concurrent.futures import ThreadPoolExecutor


def looked_after(producer, ask, write=False):
    """What `ask` gives, while the producer looks after its consumers or, with `write`, writes one grain after the other."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask)
        while not answer.done():
            if write and producer.index_now() >= producer._next:
                producer.open().commit()
            producer.poll()
            time.sleep(0.001)
        return answer.result()
