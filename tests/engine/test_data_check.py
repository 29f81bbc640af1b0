"""Data that is not where the config says."""
import pytest

from mmrobustprune.engine.data_check import missing_data_named


def failing(dataset):
    with missing_data_named(dict(dataset=dataset)):
        raise KeyError('something deep inside')


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        failing(dict(type='RepeatDataset', dataset=dict(datasets=[
            dict(data_root=str(tmp_path)), dict(data_root='data/VOCdevkit/', ann_file='x.txt')])))
    assert str(error.value).startswith("dataset.dataset.datasets.1.data_root 'data/VOCdevkit/' is not there;")
    assert str(error.value).endswith('.') and '\n' not in str(error.value)


def test_a_missing_annotation_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'dataset\.ann_file .*list\.txt. is not there'):
        failing(dict(data_root=str(tmp_path), ann_file='list.txt'))


@pytest.mark.parametrize('dataset', [
    dict(type='CIFAR10'), dict(data_root='s3://bucket/data'), dict(data_root=''), object()])
def test_other_errors_stay(dataset):
    with pytest.raises(KeyError, match='something deep inside'):
        failing(dataset)


def test_no_error_no_question():
    with missing_data_named(dict(dataset=dict(data_root='nowhere'))):
        pass
