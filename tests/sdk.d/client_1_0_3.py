# -*- coding: utf-8 -*-
"""Every operation of qcloud_cos 1.0.3, unchanged, against the service of the test lab: ADDRESS FOLDER."""

import os
import sys
import time
import urllib

import requests

from qcloud_cos import Auth, Cos, conf

from check import APPID, end, local, refused, same, succeeded

ADDRESS, FOLDER = sys.argv[1:3]
BUCKET, SECRET_ID, SECRET_KEY = 'probe', 'AKIDexample', 'secretexample'
SMALL, SMALL_SHA = local(FOLDER, 'small', 'hello\r\n--\x00\xff' * 7)
LARGE, LARGE_SHA = local(FOLDER, 'large', ''.join(chr(i * i % 251) for i in range(997)) * 1300)
NAME = 'd r/你 ~%.bin'


def folders(cos):
    data = succeeded('createFolder', cos.createFolder(BUCKET, '/d r/', 'mark'))
    same('createFolder: resource_path', data, {u'resource_path': u'/10001/probe/d r/'})
    refused('createFolder twice', cos.createFolder(BUCKET, 'd r'), -178, u'ERROR_CMD_COS_PATH_CONFLICT')
    data = succeeded('statFolder', cos.statFolder(BUCKET, 'd r'))
    same('statFolder: data', data, {u'name': u'd r/', u'biz_attr': u'mark'})
    succeeded('updateFolder', cos.updateFolder(BUCKET, 'd r', 'new'))
    data = succeeded('statFolder again', cos.statFolder(BUCKET, 'd r'))
    same('statFolder again: data', data, {u'biz_attr': u'new'})


def uploads(cos):
    succeeded('upload', cos.upload(SMALL, BUCKET, NAME, 'a'))
    refused('upload twice', cos.upload(SMALL, BUCKET, NAME), -4018, u'ErrSameFileUpload')
    succeeded('upload_buffer', cos.upload_buffer('buffer', BUCKET, '/d r/buffer'))
    data = succeeded('statFile', cos.statFile(BUCKET, NAME))
    same('statFile: data', data, {u'biz_attr': u'a', u'filesize': 77, u'sha': SMALL_SHA})
    sign = Auth(SECRET_ID, SECRET_KEY).sign_more(BUCKET, int(time.time()) + 60)
    answer = requests.get('%s?sign=%s' % (data[u'access_url'], urllib.quote_plus(sign)))
    same('download', (answer.status_code, answer.content), (200, open(SMALL, 'rb').read()))
    succeeded('updateFile', cos.updateFile(BUCKET, NAME, 'changed'))
    data = succeeded('statFile again', cos.statFile(BUCKET, NAME))
    same('statFile again: data', data, {u'biz_attr': u'changed'})


def slices(cos):
    data = succeeded('upload_slice', cos.upload_slice(LARGE, BUCKET, '/large', 's', 1024 * 1024))
    same('upload_slice: resource_path', data, {u'resource_path': u'/10001/probe/large'})
    data = succeeded('statFile of slices', cos.statFile(BUCKET, '/large'))
    same('statFile of slices: data', data, {u'sha': LARGE_SHA, u'filesize': 997 * 1300, u'biz_attr': u's'})
    data = succeeded('upload_slice, instant hit', cos.upload_slice(LARGE, BUCKET, '/hit'))
    same('upload_slice, instant hit: data', (u'session' in data, data.get(u'resource_path')),
         (False, u'/10001/probe/hit'))
    other, sha = local(FOLDER, 'other', 'x' * 700000)
    data = succeeded('upload_prepare', cos.upload_prepare(other, BUCKET, 'other', '', 524288, ''))
    answer = cos.upload_data(BUCKET, 'other', 'x' * 524288, data.get(u'session'), 0)
    succeeded('upload_data', answer)
    succeeded('upload_slice, resumed', cos.upload_slice(other, BUCKET, 'other', '', 524288, data.get(u'session')))
    data = succeeded('statFile, resumed', cos.statFile(BUCKET, 'other'))
    same('statFile, resumed: data', data, {u'sha': sha, u'filesize': 700000})


def lists(cos):
    data = succeeded('list', cos.list(BUCKET, '/'))
    same('list: names', [info[u'name'] for info in data[u'infos']], [u'd r/', u'hit', u'large', u'other'])
    data = succeeded('list inside', cos.list(BUCKET, '/d r/', 1))
    same('list inside: data', (data[u'has_more'], [info[u'name'] for info in data[u'infos']]), (True, [u'buffer']))
    data = succeeded('list inside, next page', cos.list(BUCKET, '/d r/', 1, context=data[u'context']))
    same('list inside, next page: has_more', data, {u'has_more': False})
    data = succeeded('prefixSearch', cos.prefixSearch(BUCKET, '/', 'la'))
    same('prefixSearch: names', [info[u'name'] for info in data[u'infos']], [u'large'])
    data = succeeded('prefixSearch inside', cos.prefixSearch(BUCKET, '/d r/', 'buf', pattern='eListFileOnly'))
    same('prefixSearch inside: names', [info[u'name'] for info in data[u'infos']], [u'buffer'])


def deletes(cos):
    refused('deleteFolder, not empty', cos.deleteFolder(BUCKET, 'd r'), -173, u'ERROR_CMD_COS_DIR_NOT_EMPTY')
    for path in [NAME, 'd r/buffer', 'large', 'hit', 'other']:
        succeeded('deleteFile', cos.deleteFile(BUCKET, path))
    succeeded('deleteFolder', cos.deleteFolder(BUCKET, 'd r'))
    refused('statFile, unknown', cos.statFile(BUCKET, NAME), -166, u'ERROR_CMD_COS_INDEX_ERROR')
    refused('deleteFile, unknown', cos.deleteFile(BUCKET, NAME), -197, u'ERROR_CMD_FILE_NOTEXIST')


same('local file', Cos(str(APPID), SECRET_ID, SECRET_KEY).upload('/none', BUCKET, 'x')[u'code'], -1)
conf.cos_config['end_point'] = 'http://%s/files/v1/' % ADDRESS
COS = Cos(str(APPID), SECRET_ID, SECRET_KEY, 20)
folders(COS)
uploads(COS)
slices(COS)
lists(COS)
deletes(COS)
refused('wrong key', Cos(str(APPID), SECRET_ID, 'other').statFile(BUCKET, 'x'), -97, u'ERROR_PROXY_AUTH_FAILED')
os.chdir(FOLDER)
end()
