"""The cached tasks of the stage `report`."""

from tasks.cache.task import cached
from tasks.report import collect, draw, ranking

write_tables = cached("tables")(collect.write_tables)
write_classes = cached("class distribution")(collect.write_classes)
draw_classes = cached("figures of classes")(draw.draw_classes)
draw_runs = cached("figures of runs")(draw.draw_runs)
draw_networks = cached("figures of networks")(draw.draw_networks)
rank_experiments = cached("ranking")(ranking.rank_experiments)
