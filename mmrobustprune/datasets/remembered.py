"""Loading an image once: small data sets fit in memory and need no decoding in every epoch."""

from mmcv.transforms import LoadImageFromFile

from mmrobustprune.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImageOnce(LoadImageFromFile):
    """`LoadImageFromFile` that keeps every decoded image in memory, one copy per worker process.

    For data sets of at most a few GB; workers must be persistent (or 0) for it to help.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self._kept: dict[str, dict] = {}

    def transform(self, results: dict) -> dict | None:
        path = results['img_path']
        if path not in self._kept:
            loaded = super().transform(results)
            if loaded is None:
                return None
            self._kept[path] = {key: loaded[key] for key in ('img', 'img_shape', 'ori_shape')}
        results.update(self._kept[path])
        results['img'] = results['img'].copy()
        return results
