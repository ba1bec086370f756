"""Parts of a progress bar."""

import pickle

from tasks.progress import Bar


def test_parts_fill_the_bar_whoever_does_the_work() -> None:
    with Bar("work", 20, "piece") as bar:
        near, far, download = bar.part(10), bar.part(10), bar.part()
        near.one({"loss": 0.5})
        near.advance(4)
        sent = pickle.loads(pickle.dumps(far.one))
        sent()
        assert bar.bar.n == 5, "what is sent elsewhere says nothing"
        far.end()
        near.end()
        near.end()
        assert bar.bar.n == 20
        download.reach(3, 7)
        download.reach(7, 7)
        download.end()
        assert bar.bar.n == 27
