"""PyTorch: torch.onnx, with the first dimension left open so that any number of rows may be asked for."""
import tempfile
from pathlib import Path

import onnx
import torch


class Classifier(torch.nn.Module):
    def __init__(self, rows):
        super().__init__()
        # Preprocessing is part of the model: what is served takes what was measured.
        self.register_buffer("mean", rows.mean(0))
        self.register_buffer("deviation", rows.std(0))
        self.layers = torch.nn.Sequential(torch.nn.Linear(rows.shape[1], 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))

    def logits(self, input):
        return self.layers((input - self.mean) / self.deviation)

    def forward(self, input):
        probabilities = torch.softmax(self.logits(input), 1)
        return probabilities.argmax(1), probabilities


def make(rows, labels):
    torch.manual_seed(7)
    torch.set_num_threads(1)
    x, y = torch.from_numpy(rows), torch.from_numpy(labels).long()
    model = Classifier(x)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model.logits(x), y).backward()
        optimizer.step()
    model.eval()

    def probabilities(values):
        with torch.no_grad():
            return model(torch.from_numpy(values))[1].numpy()

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        torch.onnx.export(
            model, (x[:2],), file, input_names=["input"], output_names=["label", "probabilities"],
            dynamic_shapes={"input": {0: torch.export.Dim("rows")}}, external_data=False, dynamo=True,
        )
        return onnx.load(file), probabilities
