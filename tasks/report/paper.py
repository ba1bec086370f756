"""Figures as printed in the paper that this project reproduces.

Mammadov, van den Broeke, Alexandru, Petrov, "Developing and Optimizing a Convolutional Neural
Network for Skin Cancer Classification".
"""

# Table 2: the baseline with each kind of oversampling. {our sampling: {our metric: figure}}
OVERSAMPLING = {
    "none": {"f1_weighted": 0.759, "roc_auc_ovr": 0.924},
    "smote": {"f1_weighted": 0.701, "roc_auc_ovr": 0.877},
    "augment": {"f1_weighted": 0.741, "roc_auc_ovr": 0.905},
}

# Table 3. {model: {(metric, statistic over runs): figure}}
NUMBER_OF_RUNS = 50
RUNS = {
    "baseline": {
        ("loss", "mean"): 0.757,
        ("loss", "median"): 0.755,
        ("loss", "min"): 0.672,
        ("accuracy", "mean"): 0.752,
        ("accuracy", "median"): 0.751,
        ("accuracy", "max"): 0.775,
    },
    "optimized": {
        ("loss", "mean"): 0.624,
        ("loss", "median"): 0.621,
        ("loss", "min"): 0.572,
        ("accuracy", "mean"): 0.778,
        ("accuracy", "median"): 0.776,
        ("accuracy", "max"): 0.804,
    },
}

# Table 4: both networks.
NETWORKS = {
    "baseline": {
        "precision_weighted": 0.730,
        "recall_weighted": 0.744,
        "f1_weighted": 0.759,
        "roc_auc_ovr": 0.924,
    },
    "optimized": {
        "precision_weighted": 0.778,
        "recall_weighted": 0.781,
        "f1_weighted": 0.775,
        "roc_auc_ovr": 0.945,
    },
}

# Tables 2 and 4, seconds an epoch, on the authors' machine. {(model, sampling): seconds}
SECONDS = {
    ("baseline", "none"): 2.033,
    ("baseline", "smote"): 7.466,
    ("baseline", "augment"): 4.733,
    ("optimized", "none"): 3.300,
}
