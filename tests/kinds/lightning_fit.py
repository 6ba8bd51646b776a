"""Lightning: its Trainer has the loop."""
import warnings

import common
import lightning
import torch
from torch.utils.data import DataLoader, Dataset

warnings.filterwarnings("ignore")


class Samples(Dataset):
    def __len__(self):
        return 1_000_000

    def __getitem__(self, i):
        return torch.full((16,), float(common.sample(i)))


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16, 1)

    def training_step(self, batch, _):
        if not common.step():
            common.finish()
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


if __name__ == "__main__":
    common.time_torch()
    torch.set_num_threads(1)
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(Model(), DataLoader(Samples(), batch_size=common.BATCH, num_workers=common.WORKERS))
