<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ko_KR" sourcelanguage="en">
<context>
    <name>ErrorLine</name>
    <message>
        <source>Error: {}</source>
        <translation>오류: {}</translation>
    </message>
    <message>
        <source>Error: none</source>
        <translation>오류 없음</translation>
    </message>
</context>
</TS>
