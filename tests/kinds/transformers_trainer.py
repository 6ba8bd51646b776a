"""Hugging Face's Trainer, over accelerate's own loader."""
import tempfile
import warnings

import common
import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

warnings.filterwarnings("ignore")


class Samples(Dataset):
    def __len__(self):
        return 1_000_000

    def __getitem__(self, i):
        return {"x": torch.full((16,), float(common.sample(i)))}


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16, 1)

    def forward(self, x):
        if not common.step():
            common.finish()
        return {"loss": self.layer(x).mean()}


if __name__ == "__main__":
    common.time_torch()
    torch.set_num_threads(1)
    options = TrainingArguments(
        output_dir=tempfile.mkdtemp(prefix="mltop-trainer-"), max_steps=1_000_000, report_to=[],
        per_device_train_batch_size=common.BATCH, dataloader_num_workers=common.WORKERS,
        use_cpu=True, save_strategy="no", disable_tqdm=True, logging_strategy="no",
        remove_unused_columns=False, dataloader_pin_memory=False,
    )
    Trainer(model=Model(), args=options, train_dataset=Samples()).train()
