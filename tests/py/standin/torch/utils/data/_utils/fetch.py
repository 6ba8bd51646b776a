class Fetcher:
    def __init__(self, dataset, collate):
        self.dataset = dataset
        self.collate = collate

    def fetch(self, indices):
        return self.collate([self.dataset[index] for index in indices])
