# -*- coding: utf-8 -*-
"""Every operation of qcloud_cos 3.3.6, unchanged, against the service of the test lab: ADDRESS FOLDER."""

import sys
import time
import urllib

import requests

import qcloud_cos
from qcloud_cos import (CosClient, CosConfig, UploadFileRequest, UploadSliceFileRequest, UpdateFileRequest,
                        UpdateFolderRequest, DelFolderRequest, DelFileRequest, CreateFolderRequest, StatFileRequest,
                        StatFolderRequest, MoveFileRequest, ListFolderRequest, Auth, CredInfo)

from check import APPID, BUCKET, SECRET_ID, SECRET_KEY, end, local, refused, same, succeeded

ADDRESS, FOLDER = sys.argv[1:3]
SMALL, SMALL_SHA = local(FOLDER, 'small', 'hello\r\n--\x00\xff' * 7)
EMPTY, _ = local(FOLDER, 'empty', '')
LARGE, LARGE_SHA = local(FOLDER, 'large', ''.join(chr(i * i % 251) for i in range(997)) * 1300)
HUGE, HUGE_SHA = local(FOLDER, 'huge', '0123456789abcdef' * (9 << 16))
NAME = u'/d r/你 +%&=#.bin'


def client(secret_key=SECRET_KEY, appid=APPID):
    made = CosClient(appid, SECRET_ID, secret_key)
    config = CosConfig()
    config.set_end_point('http://%s/files/v1' % ADDRESS)
    config.set_timeout(20)
    made.set_config(config)
    return made


def read(url, path, **headers):
    """Downloads as a browser would, with the sign of the SDK."""
    sign = Auth(CredInfo(APPID, SECRET_ID, SECRET_KEY)).sign_download(BUCKET, path, int(time.time()) + 60)
    return requests.get('%s?sign=%s' % (url, urllib.quote_plus(sign)), headers=headers)


def folders(cos):
    data = succeeded('create_folder', cos.create_folder(CreateFolderRequest(BUCKET, u'/d r/', u'mark')))
    same('create_folder: resource_path', data, {u'resource_path': u'/10001/probe/d r/'})
    refused('create_folder twice', cos.create_folder(CreateFolderRequest(BUCKET, u'/d r/')),
            -178, u'ERROR_CMD_COS_PATH_CONFLICT')
    data = succeeded('stat_folder', cos.stat_folder(StatFolderRequest(BUCKET, u'/d r/')))
    same('stat_folder: data', data, {u'name': u'd r/', u'biz_attr': u'mark'})
    succeeded('update_folder', cos.update_folder(UpdateFolderRequest(BUCKET, u'/d r/', u'新')))
    data = succeeded('stat_folder again', cos.stat_folder(StatFolderRequest(BUCKET, u'/d r/')))
    same('stat_folder again: data', data, {u'biz_attr': u'新'})


def uploads(cos):
    data = succeeded('upload_file', cos.upload_file(UploadFileRequest(BUCKET, NAME, SMALL, u'a', 1)))
    same('upload_file: resource_path', data, {u'resource_path': u'/10001/probe' + NAME})
    refused('upload_file, insertOnly', cos.upload_file(UploadFileRequest(BUCKET, NAME, SMALL, u'a', 1)),
            -4018, u'ErrSameFileUpload')
    succeeded('upload_file, over', cos.upload_file(UploadFileRequest(BUCKET, NAME, SMALL, u'b', 0)))
    succeeded('upload_single_file, empty', cos.upload_single_file(UploadFileRequest(BUCKET, u'/d r/empty', EMPTY)))
    data = succeeded('stat_file', cos.stat_file(StatFileRequest(BUCKET, NAME)))
    same('stat_file: data', data, {
        u'name': NAME[5:], u'biz_attr': u'b', u'filesize': 77, u'filelen': 77, u'sha': SMALL_SHA,
    })
    answer = read(data[u'access_url'], NAME)
    same('download', (answer.status_code, answer.content), (200, open(SMALL, 'rb').read()))
    answer = read(data[u'access_url'], NAME, Range='bytes=0-4')
    same('download, range', (answer.status_code, answer.content), (206, 'hello'))
    same('download without sign', requests.get(data[u'access_url']).status_code, 403)
    same('download, unknown', read(data[u'access_url'] + 'x', NAME + u'x').status_code, 404)


def slices(cos):
    request = UploadSliceFileRequest(BUCKET, u'/large', LARGE, 1024 * 1024, u's')
    data = succeeded('upload_slice_file', cos.upload_slice_file(request))
    same('upload_slice_file: data', data, {u'resource_path': u'/10001/probe/large'})
    data = succeeded('stat_file of slices', cos.stat_file(StatFileRequest(BUCKET, u'/large')))
    same('stat_file of slices: data', data, {u'sha': LARGE_SHA, u'filesize': 997 * 1300, u'biz_attr': u's'})
    answer = read(data[u'access_url'], u'/large')
    same('download of slices', answer.content == open(LARGE, 'rb').read(), True)
    request = UploadSliceFileRequest(BUCKET, u'/hit', LARGE, 512 * 1024)
    data = succeeded('upload_slice_file, instant hit', cos.upload_slice_file(request))
    same('upload_slice_file, instant hit: data', (u'session' in data, data.get(u'resource_path')),
         (False, u'/10001/probe/hit'))
    data = succeeded('upload_file of 9 MiB', cos.upload_file(UploadFileRequest(BUCKET, u'/huge', HUGE)))
    same('upload_file of 9 MiB: data', data, {u'resource_path': u'/10001/probe/huge'})
    data = succeeded('stat_file of 9 MiB', cos.stat_file(StatFileRequest(BUCKET, u'/huge')))
    same('stat_file of 9 MiB: sha', data, {u'sha': HUGE_SHA})


def updates(cos):
    request = UpdateFileRequest(BUCKET, NAME)
    request.set_biz_attr(u'changed')
    request.set_authority(u'eWPrivateRPublic')
    request.set_cache_control(u'no-cache')
    request.set_content_type(u'text/x-probe')
    request.set_content_disposition(u'attachment')
    request.set_content_language(u'zh')
    request.set_x_cos_meta(u'x-cos-meta-team', u'ops')
    succeeded('update_file', cos.update_file(request))
    data = succeeded('stat_file, updated', cos.stat_file(StatFileRequest(BUCKET, NAME)))
    same('stat_file, updated: data', data, {u'biz_attr': u'changed', u'authority': u'eWPrivateRPublic'})
    same('stat_file, updated: custom_headers', data.get(u'custom_headers'), {
        u'Cache-Control': u'no-cache', u'Content-Type': u'text/x-probe', u'Content-Disposition': u'attachment',
        u'Content-Language': u'zh', u'x-cos-meta-team': u'ops',
    })
    answer = requests.get(data[u'access_url'])
    same('download of a public file', (answer.status_code, answer.headers['Content-Type']), (200, 'text/x-probe'))
    refused('update_file, unknown', cos.update_file(request_for(u'/no')), -197, u'ERROR_CMD_FILE_NOTEXIST')


def request_for(path):
    request = UpdateFileRequest(BUCKET, path)
    request.set_biz_attr(u'x')
    return request


def lists(cos):
    data = succeeded('list_folder', cos.list_folder(ListFolderRequest(BUCKET, u'/')))
    same('list_folder: names', [info[u'name'] for info in data[u'infos']], [u'd r/', u'hit', u'huge', u'large'])
    same('list_folder: counts', data, {u'has_more': False, u'dircount': 1, u'filecount': 3})
    names, context = [], u''
    while True:
        request = ListFolderRequest(BUCKET, u'/', num=3, context=context)
        data = succeeded('list_folder, page', cos.list_folder(request))
        names += [info[u'name'] for info in data[u'infos']]
        context = data[u'context']
        if not data[u'has_more']:
            break
    same('list_folder, pages: names', names, [u'd r/', u'hit', u'huge', u'large'])
    for what, request, wanted in [
            ('folders', ListFolderRequest(BUCKET, u'/', pattern=u'eListDirOnly'), [u'd r/']),
            ('files', ListFolderRequest(BUCKET, u'/', pattern=u'eListFileOnly'), [u'hit', u'huge', u'large']),
            ('backwards', ListFolderRequest(BUCKET, u'/', order=1), [u'large', u'huge', u'hit', u'd r/']),
            ('prefix', ListFolderRequest(BUCKET, u'/', prefix=u'hu'), [u'huge']),
            ('inside', ListFolderRequest(BUCKET, u'/d r/'), [u'empty', NAME[5:]])]:
        data = succeeded('list_folder, ' + what, cos.list_folder(request))
        same('list_folder, %s: names' % what, [info[u'name'] for info in data.get(u'infos', [])], wanted)
    refused('list_folder, unknown', cos.list_folder(ListFolderRequest(BUCKET, u'/no/')),
            -166, u'ERROR_CMD_COS_INDEX_ERROR')


def moves(cos):
    succeeded('move_file', cos.move_file(MoveFileRequest(BUCKET, u'/hit', u'/moved')))
    refused('stat_file, moved away', cos.stat_file(StatFileRequest(BUCKET, u'/hit')),
            -166, u'ERROR_CMD_COS_INDEX_ERROR')
    refused('move_file onto another', cos.move_file(MoveFileRequest(BUCKET, u'/moved', u'/huge', 0)),
            -177, u'ERROR_CMD_COS_FILE_EXIST')
    succeeded('move_file over another', cos.move_file(MoveFileRequest(BUCKET, u'/moved', u'/huge', 1)))
    data = succeeded('stat_file, moved', cos.stat_file(StatFileRequest(BUCKET, u'/huge')))
    same('stat_file, moved: sha', data, {u'sha': LARGE_SHA})


def deletes(cos):
    refused('del_folder, not empty', cos.del_folder(DelFolderRequest(BUCKET, u'/d r/')),
            -173, u'ERROR_CMD_COS_DIR_NOT_EMPTY')
    for path in [NAME, u'/d r/empty', u'/large', u'/huge']:
        succeeded('del_file', cos.del_file(DelFileRequest(BUCKET, path)))
    succeeded('del_folder', cos.del_folder(DelFolderRequest(BUCKET, u'/d r/')))
    refused('del_file, unknown', cos.del_file(DelFileRequest(BUCKET, NAME)), -197, u'ERROR_CMD_FILE_NOTEXIST')


def strangers():
    stat = StatFileRequest(BUCKET, u'/x')
    refused('wrong key', client(u'other').stat_file(stat), -97, u'ERROR_PROXY_AUTH_FAILED')
    refused('unknown appid', client(appid=7).stat_file(stat), -82, u'ERROR_PROXY_AUTH_APPID_NOEXIST')
    refused('other bucket', client().stat_file(StatFileRequest(u'none', u'/x')), -4022,
            u'ErrParamInvalidFilePathInvalid')


same('the SDK', qcloud_cos.__name__, 'qcloud_cos')
COS = client()
folders(COS)
uploads(COS)
slices(COS)
updates(COS)
lists(COS)
moves(COS)
deletes(COS)
strangers()
end()
